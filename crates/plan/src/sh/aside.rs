//! What makes room for a path, runs a script, sets a file's time, or tells the state of an author's own
//! operation.

use super::Tool;
use super::files::FILE_STATE;

/// `set_aside PATH KIND KEEP FOLDER` makes room where something of another kind than KIND is at a path: it is
/// removed, or with KEEP moved to FOLDER, or beside itself, under a name with the host's time.
pub(crate) static SET_ASIDE: Tool = Tool {
    name: "set_aside",
    needs: &[],
    text: r#"set_aside() {
if [ -h "$1" ]; then kind=link
elif [ -f "$1" ]; then kind=file
elif [ -d "$1" ]; then kind=directory
elif [ -e "$1" ]; then kind=other
else return 0
fi
[ "$kind" != "$2" ] || return 0
if [ -z "$3" ]; then rm -rf "$1"; return; fi
folder=${4:-${1%/*}}
[ -d "$folder/" ] || mkdir -p "$folder" || return
kept=$folder/${1##*/}.ifrit-$(date -u +%Y%m%dT%H%M%SZ)
if [ -e "$kept" ] || [ -h "$kept" ]; then printf '%s is there already\n' "$kept" >&2; return 1; fi
mv "$1" "$kept" && printf '%s is kept as %s\n' "$1" "$kept"
}
"#,
};

/// `timed_state PATH WANTED` prints what `file_state` does, and of a file its time in seconds since 1970.
pub(crate) static TIMED_STATE: Tool = Tool {
    name: "timed_state",
    needs: &[&FILE_STATE],
    text: r#"timed_state() {
state=$(file_state "$1" "$2") || return
case $state in
file\ *) time=$(stat -c %Y "$1" 2>/dev/null) || time=$(stat -f %m "$1") || return; state="$state $time" ;;
esac
printf '%s\n' "$state"
}
"#,
};

/// `set_time PATH CCYYMMDDhhmm.SS` sets a file's time, in UTC.
pub(crate) static SET_TIME: Tool =
    Tool { name: "set_time", needs: &[], text: "set_time() {\nTZ=UTC touch -m -t \"$2\" \"$1\"\n}\n" };

/// `run_script BODY WORD...` runs a script by the interpreter that its first line names, else by sh. It needs no
/// place where programs may be run.
pub(crate) static RUN_SCRIPT: Tool = Tool {
    name: "run_script",
    needs: &[],
    text: r#"run_script() {
IFS= read -r first <"$1" || [ -n "$first" ] || return
case $first in
'#!'*)
  set -f
  set -- ${first#'#!'} "$@"
  set +f
  "$@" ;;
*) sh "$@" ;;
esac
}
"#,
};

/// `own_state COMMAND` prints what a command prints; `failed with STATUS` where it does not succeed.
pub(crate) static OWN_STATE: Tool = Tool {
    name: "own_state",
    needs: &[],
    text: r#"own_state() {
output=$(sh -c "$1" 2>/dev/null </dev/null)
status=$?
if [ "$status" = 0 ]; then printf '%s\n' "$output" | head -c 65536; else printf 'failed with %s\n' "$status"; fi
}
"#,
};
