# Checks C sources line by line for what the compiler and clang-format do not:
# include arrows and doors, sizes, banned calls, locks, mutable state.
# Run by lint.sh: awk -v dir=tests/lint -f check.awk FILE...
# Prints "path:line: rule: text" and exits with 1 if anything was found.

BEGIN {
    load_tables()
    ban("strcpy strcat stpcpy sprintf vsprintf gets alloca atoi atol atof " \
        "strtok system popen sleep usleep nanosleep rand srand", is_banned)
    # base/mem.h is for these; a test's own helper may go past it
    ban("malloc calloc realloc free strdup strndup asprintf vasprintf",
        is_allocator)
}

FNR == 1 {
    end_file()
    begin_file()
}

{
    file_lines = FNR
    raw = $0
    if (length(raw) > 80) {
        found("width", "", "a line of " length(raw) " characters")
    }
    code = strip(raw)
    if (raw ~ /^[ \t]*#[ \t]*include/) {
        check_include(raw)
    }
    if (in_macro || code ~ /^[ \t]*#/) {
        in_macro = raw ~ /\\$/
    } else {
        check_scope(code)
    }
    check_words(code)
}

END {
    end_file()
    for (key in exceptions) {
        if (!(key in used) && (exception_path[key] in seen)) {
            print dir "/exceptions.txt: " key ": nothing needs this any more"
            bad++
        }
    }
    exit bad > 0
}

# ---- tables ----------------------------------------------------------------

function load_tables(    line, f, n, i, file) {
    file = dir "/arrows.txt"
    while ((getline line < file) > 0) {
        if (line !~ /^#/ && index(line, ":")) {
            f = substr(line, 1, index(line, ":") - 1)
            allowed[f] = " " substr(line, index(line, ":") + 1) " "
        }
    }
    file = dir "/doors.txt"
    while ((getline line < file) > 0) {
        if (line !~ /^#/ && split(line, parts, /[ \t]+/) >= 2) {
            doors++
            door_header[doors] = parts[1]
            door_path[doors] = parts[2]
            door_not[doors] = parts[3] != "" ? parts[3] : "^$"
        }
    }
    file = dir "/exceptions.txt"
    while ((getline line < file) > 0) {
        n = split(line, parts, /[ \t]+/)
        if (line !~ /^#/ && n >= 2) {
            if (n < 3) {
                print file ": no reason: " line
                bad++
            }
            exceptions[parts[1] " " parts[2]] = 1
            f = parts[2]
            sub(/:.*/, "", f)
            exception_path[parts[1] " " parts[2]] = f
        }
    }
}

function ban(list, set,    words, n, i) {
    n = split(list, words, " ")
    for (i = 1; i <= n; i++) {
        set[words[i]] = 1
    }
}

# A violation of `rule`, unless it is excepted; `name` is a function or an
# object where one is concerned.
function found(rule, name, text,    key) {
    key = rule " " path (name != "" ? ":" name : "")
    if (key in exceptions) {
        used[key] = 1
        return
    }
    print path ":" FNR ": " rule ": " text
    bad++
}

# ---- files -----------------------------------------------------------------

function begin_file() {
    path = FILENAME
    sub(/^\.\//, "", path)
    seen[path] = 1
    is_test = path ~ /^tests\//
    folder = path
    sub(/\/[^\/]*$/, "", folder)
    in_comment = in_macro = in_function = 0
    head = ""
    file_lines = 0
}

function end_file() {
    if (path != "" && file_lines > 600) {
        found("file", "", "a file of " file_lines " lines; 600 are allowed")
    }
}

# The line without comments, and with strings and characters emptied.
function strip(line,    at, to) {
    if (in_comment) {
        to = index(line, "*/")
        if (to == 0) {
            return ""
        }
        line = substr(line, to + 2)
        in_comment = 0
    }
    gsub(/\\\\/, "", line)
    gsub(/\\"/, "", line)
    gsub(/'"'/, "0", line)
    gsub(/"[^"]*"/, "\"\"", line)
    gsub(/'[^']*'/, "0", line)
    sub(/\/\/.*/, "", line)
    while ((at = index(line, "/*")) > 0) {
        to = index(substr(line, at + 2), "*/")
        if (to == 0) {
            in_comment = 1
            return substr(line, 1, at - 1)
        }
        line = substr(line, 1, at - 1) " " substr(line, at + to + 3)
    }
    return line
}

# ---- includes --------------------------------------------------------------

function check_include(line,    quoted, header, target, i) {
    quoted = line ~ /"/
    header = line
    sub(/^[^"<]*["<]/, "", header)
    sub(/[">].*/, "", header)
    for (i = 1; i <= doors; i++) {
        if (header ~ door_header[i]) {
            if ((path !~ door_path[i] || path ~ door_not[i]) && !is_test) {
                found("door", "", header " may be included only in files like " \
                      door_path[i])
            }
            return
        }
    }
    if (!quoted || is_test || !(folder in allowed)) {
        return
    }
    target = header
    if (!sub(/\/[^\/]*$/, "", target)) {
        found("include", "", "\"" header "\" does not name its folder")
        return
    }
    if (target != "tests/lib" && "common/" target != folder &&
        target != folder && !index(allowed[folder], " " target " ")) {
        found("arrow", "", folder " may not include " target)
    }
}

# ---- functions and objects at file scope -----------------------------------

function check_scope(code,    name) {
    if (in_function) {
        check_body(code)
        return
    }
    if (code ~ /^{/) {
        in_function = 1
        function_name = name_of(head)
        if (head_line == 0) {
            head_line = FNR
        }
        return
    }
    if (code ~ /^typedef +(struct|union|enum) +[A-Za-z_0-9]* *({|[A-Za-z_])/) {
        found("typedef", "", "a typedef of a struct, union or enum")
    }
    if (code ~ /^[A-Za-z_]/ && head == "") {
        head_line = FNR
    }
    if (code ~ /^[A-Za-z_]/) {
        check_object(code)
    }
    head = head " " code
    if (code ~ /[;}] *$/ || code ~ /^ *$/) {
        head = ""
        head_line = 0
    }
}

function name_of(text) {
    gsub(/__attribute__ *\(\([^)]*(\([^)]*\))*[^)]*\)\)/, "", text)
    sub(/ *\(.*/, "", text)
    sub(/.*[ *]/, "", text)
    return text
}

function check_body(code,    lines) {
    if (code ~ /^}/) {
        lines = FNR - head_line + 1
        if (lines > 70) {
            found("function", function_name, function_name " has " lines \
                  " lines; 70 are allowed")
        }
        in_function = 0
        head = ""
        head_line = 0
        return
    }
    if (code ~ /^[ \t]+(static|_Thread_local|__thread) / && !is_test &&
        !is_constant(code)) {
        found("global", name_of_object(code), "state that lives on: " code)
    }
    if (function_name != "" && code ~ ("(^|[^A-Za-z0-9_.>])" function_name \
                                       " *\\(")) {
        found("recursion", function_name, function_name " calls itself")
    }
}

function check_object(code) {
    if (is_test || code ~ /\(/ || code !~ /[;=]/ ||
        code ~ /^(struct|union|enum) *[A-Za-z_0-9]* *[{;]/ ||
        code ~ /^(typedef|extern|#)/ || code ~ /^[A-Za-z_0-9]+:/ ||
        head ~ /[^ ]/) {
        return
    }
    if (!is_constant(code)) {
        found("global", name_of_object(code), "a variable for all: " code)
    }
}

# Whether an object's declaration makes it read-only: what is left of the
# name must end in const after the last star.
function is_constant(code) {
    sub(/[=;\[].*/, "", code)
    sub(/^.*\*/, "*", code)
    return code ~ /(^|[ *])const /
}

function name_of_object(code) {
    sub(/ *[=;\[].*/, "", code)
    sub(/.*[ *]/, "", code)
    return code
}

# ---- words -----------------------------------------------------------------

function check_words(code,    rest, word) {
    rest = code
    while (match(rest, /[A-Za-z_][A-Za-z_0-9]* *\(/)) {
        word = substr(rest, RSTART, RLENGTH)
        sub(/ *\($/, "", word)
        # the command line is one thread without a loop, so it may wait
        if (word ~ /sleep$/ && path ~ /^coordinator\/ctl\//) {
            word = ""
        }
        if ((word in is_banned || (word in is_allocator && !is_test)) &&
            !before_is_member(rest, RSTART)) {
            found("banned", word, word "() is not used here")
        }
        if (word ~ /^(pthread_(mutex|cond|rwlock|spin|barrier)_|sem_|mtx_|cnd_|uv_(mutex|rwlock|cond|sem)_)/ &&
            path !~ /^common\/net\// && !is_test) {
            found("lock", word, word "(): there are no locks outside net/")
        }
        rest = substr(rest, RSTART + RLENGTH)
    }
}

# x->free(...) and x.free(...) are calls of a member, not of the library.
function before_is_member(text, at) {
    return substr(text, at - 1, 1) == "." ||
           substr(text, at - 2, 2) == "->"
}
