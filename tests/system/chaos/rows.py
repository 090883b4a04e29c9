"""Every row by its name."""
import rows_calls
import rows_calm
import rows_death
import rows_load
import rows_storm
import rows_strangers
import rows_train

ROWS = {
    "kill9": rows_death.kill9,
    "stop": rows_death.stop,
    "cut": rows_death.cut,
    "oneway": rows_death.oneway,
    "clean": rows_calm.clean,
    "lossy": rows_calm.lossy,
    "last": rows_calls.last,
    "failpoints": rows_calls.failpoints,
    "simulate": rows_calls.simulate,
    "fuzz": rows_calls.fuzz,
    "units": rows_calls.units,
    "once": rows_calls.once,
    "corrupt": rows_calls.corrupt,
    "sim_controls": rows_calls.sim_controls,
    "storm": rows_storm.storm,
    "planted": rows_calls.planted,
    "rolling": rows_calls.rolling,
    "overload": rows_load.overload,
    "idle": rows_strangers.idle,
    "slow": rows_strangers.slow,
    "train": rows_train.train,
}
