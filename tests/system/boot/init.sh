#!/bin/bash
# The guest's first program: this machine's files beneath an overlay in memory,
# what make install copied on top, then systemd, for the probe alone.
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
folder=@FOLDER@
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
modules=/usr/lib/uml/modules/$(uname -r)/kernel
insmod "$modules/fs/overlayfs/overlay.ko"
insmod "$modules/drivers/net/veth.ko"
mount -t tmpfs t /mnt
mkdir /mnt/upper /mnt/work /mnt/root
root=/mnt/root
mount -t overlay o -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work $root
: >$root/etc/fstab
echo pi-1 >$root/etc/hostname
rm -rf $root/etc/edged $root/var/lib/edged $root/var/lib/edge-coordinator \
    $root/var/lib/private/edged $root/var/lib/private/edge-coordinator
mkdir -p $root/usr/local $root/srv/out
cp -a "$folder/installed/usr/local/." $root/usr/local/
cp "$folder/probe.sh" $root/srv/probe.sh
echo "$folder/out" >$root/srv/out-path
cat >$root/etc/systemd/system/probe.target <<E
[Unit]
Requires=probe.service
E
cat >$root/etc/systemd/system/probe.service <<E
[Unit]
DefaultDependencies=no
Requires=sysinit.target dbus.socket
After=sysinit.target dbus.socket
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
ExecStart=/bin/bash /srv/probe.sh
E
umount /sys /proc
mount -t tmpfs run $root/run
exec switch_root $root /lib/systemd/systemd --unit=probe.target \
    systemd.unified_cgroup_hierarchy=1 systemd.show_status=0
