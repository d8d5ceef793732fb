//! The rest of a host: kernel settings, name, clock, mounts, cron, commands.

use super::Tool;
use super::lines::EDIT_LINE;

/// `os_release` prints os-release(5); FreeBSD's is made from freebsd-version(1).
pub(crate) static OS_RELEASE: Tool = Tool {
    name: "os_release",
    needs: &[],
    text: r#"os_release() {
for file in /etc/os-release /usr/lib/os-release; do
  if [ -f "$file" ]; then cat "$file"; return; fi
done
if [ -x /bin/freebsd-version ]; then printf 'ID=freebsd\nVERSION_ID=%s\n' "$(/bin/freebsd-version -u)"; return; fi
return 66
}
"#,
};

/// `paths_state PATH...` prints for each path whether something is there.
pub(crate) static PATHS_STATE: Tool = Tool {
    name: "paths_state",
    needs: &[],
    text: r#"paths_state() {
for path do
  if [ -e "$path" ] || [ -h "$path" ]; then echo there; else echo absent; fi
done
}
"#,
};

/// `run_command COMMAND` runs a command and prints its status and its output.
pub(crate) static RUN_COMMAND: Tool = Tool {
    name: "run_command",
    needs: &[],
    text: r#"run_command() {
output=$(sh -c "$1" 2>/dev/null </dev/null)
printf '%s\n' "$?"
printf '%s\n' "$output" | head -c 65536
}
"#,
};

/// `sysctl_state KEY FILE VALUE` prints what runs and, with FILE, whether it has the line `KEY = VALUE`.
pub(crate) static SYSCTL_STATE: Tool = Tool {
    name: "sysctl_state",
    needs: &[],
    text: r#"sysctl_state() {
value=$(sysctl -n "$1" 2>/dev/null) || { echo absent; return 0; }
set -f
set -- "$1" "$2" "$3" $value
set +f
key=$1 file=$2 wanted=$3
shift 3
printf 'runs %s\n' "$*"
[ -n "$file" ] || return 0
if [ -f "$file" ] && KEY=$key VALUE=$wanted awk '
{ line = $0; sub(/[ \t]*#.*/, "", line); at = index(line, "=")
  key = substr(line, 1, at - 1); value = substr(line, at + 1)
  gsub(/^[ \t]+|[ \t]+$/, "", key); gsub(/^[ \t]+|[ \t]+$/, "", value); gsub(/[ \t]+/, " ", value)
  if (key == ENVIRON["KEY"]) found = (value == ENVIRON["VALUE"]) }
END { exit !found }' "$file"; then echo kept; else echo 'not kept'; fi
}
"#,
};

/// `set_sysctl KEY VALUE FILE PATTERN`.
pub(crate) static SET_SYSCTL: Tool = Tool {
    name: "set_sysctl",
    needs: &[&EDIT_LINE],
    text: r#"set_sysctl() {
if [ "$(uname -s)" = Linux ]; then sysctl -w "$1=$2" >/dev/null || return; else sysctl "$1=$2" >/dev/null || return; fi
[ -z "$3" ] || edit_line "$3" "$4" replace "$1 = $2" ''
}
"#,
};

/// `module_state NAME` says whether a kernel module is loaded.
pub(crate) static MODULE_STATE: Tool = Tool {
    name: "module_state",
    needs: &[],
    text: r#"module_state() {
if [ -r /proc/modules ]; then
  while read -r name rest; do
    if [ "$name" = "$1" ]; then echo loaded; return 0; fi
  done </proc/modules
  if [ -d "/sys/module/$1" ] && [ ! -e "/sys/module/$1/initstate" ]; then echo loaded; return 0; fi
elif command -v kldstat >/dev/null 2>&1 && kldstat -q -m "$1"; then echo loaded; return 0
fi
echo absent
}
"#,
};

/// `set_module NAME VERB`: `load` or `remove`.
pub(crate) static SET_MODULE: Tool = Tool {
    name: "set_module",
    needs: &[],
    text: r#"set_module() {
if command -v kldload >/dev/null 2>&1; then
  if [ "$2" = load ]; then kldload "$1"; else kldunload "$1"; fi
elif [ "$2" = load ]; then modprobe "$1"
else modprobe -r "$1"
fi
}
"#,
};

/// `hostname_state FILE` prints the name that the kernel has and the one for the next boot.
pub(crate) static HOSTNAME_STATE: Tool = Tool {
    name: "hostname_state",
    needs: &[],
    text: r#"hostname_state() {
printf 'runs %s\n' "$(hostname)"
if [ -x /bin/freebsd-version ]; then printf 'boots %s\n' "$(sysrc -n hostname 2>/dev/null)"
else
  kept=
  [ ! -f "$1" ] || IFS= read -r kept <"$1" || :
  printf 'boots %s\n' "$kept"
fi
}
"#,
};

/// `set_hostname NAME FILE`.
pub(crate) static SET_HOSTNAME: Tool = Tool {
    name: "set_hostname",
    needs: &[],
    text: r#"set_hostname() {
if [ -x /bin/freebsd-version ]; then sysrc "hostname=$1" >/dev/null || return
else printf '%s\n' "$1" >"$2" || return
fi
[ "$(hostname)" = "$1" ] || hostname "$1"
}
"#,
};

/// `timezone_state` prints the name of the time zone; `-` where it cannot be told.
pub(crate) static TIMEZONE_STATE: Tool = Tool {
    name: "timezone_state",
    needs: &[],
    text: r#"timezone_state() {
zone=-
if [ -h /etc/localtime ]; then
  zone=$(readlink /etc/localtime) || return
  case $zone in */zoneinfo/*) zone=${zone##*/zoneinfo/} ;; *) zone=- ;; esac
elif [ -f /var/db/zoneinfo ]; then IFS= read -r zone </var/db/zoneinfo || :
elif [ -f /etc/timezone ]; then IFS= read -r zone </etc/timezone || :
fi
printf '%s\n' "$zone"
}
"#,
};

/// `set_timezone NAME`.
pub(crate) static SET_TIMEZONE: Tool = Tool {
    name: "set_timezone",
    needs: &[],
    text: r#"set_timezone() {
[ -f "/usr/share/zoneinfo/$1" ] || { printf 'there is no time zone %s (is tzdata installed?)\n' "$1" >&2; return 1; }
ln -sf "/usr/share/zoneinfo/$1" /etc/localtime || return
if [ -f /var/db/zoneinfo ]; then printf '%s\n' "$1" >/var/db/zoneinfo
elif [ -f /etc/timezone ]; then printf '%s\n' "$1" >/etc/timezone
fi
}
"#,
};

/// `mount_state PATH` prints device, type and options of what is mounted there; or `absent`.
pub(crate) static MOUNT_STATE: Tool = Tool {
    name: "mount_state",
    needs: &[],
    text: r#"mount_state() {
found=
if [ -r /proc/mounts ]; then
  while read -r device path type options rest; do
    [ "$path" = "$1" ] && found=1 && break
  done </proc/mounts
else
  about=$(mount -p | awk -v OFS=' ' '{ print $1, $2, $3, $4 }') || return
  case "
$about" in
  *" $1 "*) found=1 ;;
  esac
fi
if [ -n "$found" ]; then echo mounted; else echo absent; fi
}
"#,
};

/// `set_mount VERB PATH DEVICE TYPE OPTIONS`: `mount` or `umount`.
pub(crate) static SET_MOUNT: Tool = Tool {
    name: "set_mount",
    needs: &[],
    text: r#"set_mount() {
[ "$1" = mount ] || { umount "$2"; return; }
path=$2 device=$3 type=$4 options=$5
set -- mount
[ -z "$type" ] || set -- "$@" -t "$type"
[ -z "$options" ] || set -- "$@" -o "$options"
[ -z "$device" ] || set -- "$@" "$device"
[ -d "$path" ] || mkdir -p "$path" || return
"$@" "$path"
}
"#,
};

/// `cron_table USER` prints a user's crontab(1).
const CRON_TABLE: Tool = Tool {
    name: "cron_table",
    needs: &[],
    text: r#"cron_table() {
if [ -n "$1" ]; then crontab -l -u "$1" 2>/dev/null; else crontab -l 2>/dev/null; fi
}
"#,
};

/// `cron_state USER NAME COMMAND` prints the entries with this name, or where it is empty with this command.
pub(crate) static CRON_STATE: Tool = Tool {
    name: "cron_state",
    needs: &[&CRON_TABLE],
    text: r##"cron_state() {
cron_table "$1" | NAME=$2 COMMAND=$3 awk '
ENVIRON["NAME"] != "" { if (named) print "= " $0; named = ($0 == "# pyinfra-name=" ENVIRON["NAME"]); next }
/^#/ { next }
{ at = length($0) - length(ENVIRON["COMMAND"]) + 1
  if (at > 1 && substr($0, at) == ENVIRON["COMMAND"] && substr($0, at - 1, 1) ~ /[ \t]/) print "= " $0 }'
}
"##,
};

/// `change_crontab USER NAME COMMAND LINE` replaces the entry by a line; an empty one removes it.
pub(crate) static CHANGE_CRONTAB: Tool = Tool {
    name: "change_crontab",
    needs: &[&CRON_TABLE],
    text: r##"change_crontab() {
table=$(cron_table "$1" | NAME=$2 COMMAND=$3 LINE=$4 awk '
function entry() {
  if (done || ENVIRON["LINE"] == "") return
  done = 1
  if (ENVIRON["NAME"] != "") print "# pyinfra-name=" ENVIRON["NAME"]
  print ENVIRON["LINE"]
}
ENVIRON["NAME"] != "" && $0 == "# pyinfra-name=" ENVIRON["NAME"] { entry(); skip = 1; next }
skip { skip = 0; next }
ENVIRON["NAME"] == "" && !/^#/ {
  at = length($0) - length(ENVIRON["COMMAND"]) + 1
  if (at > 1 && substr($0, at) == ENVIRON["COMMAND"] && substr($0, at - 1, 1) ~ /[ \t]/) { entry(); next }
}
{ print }
END { entry() }') || return
if [ -n "$1" ]; then printf '%s\n' "$table" | crontab -u "$1" -; else printf '%s\n' "$table" | crontab -; fi
}
"##,
};

/// `sysrc_state NAME FILE JAIL` prints the value of a setting of rc.conf(5); `absent` where it has none.
pub(crate) static SYSRC_STATE: Tool = Tool {
    name: "sysrc_state",
    needs: &[],
    text: r#"sysrc_state() {
set -- "$1" ${2:+-f "$2"} ${3:+-j "$3"}
name=$1
shift
value=$(sysrc "$@" -n "$name" 2>/dev/null) && printf '= %s\n' "$value" || echo absent
}
"#,
};

/// `set_sysrc NAME ASSIGNMENT FILE JAIL`: an empty assignment removes the setting.
pub(crate) static SET_SYSRC: Tool = Tool {
    name: "set_sysrc",
    needs: &[],
    text: r#"set_sysrc() {
name=$1 change=$2
set -- sysrc ${3:+-f "$3"} ${4:+-j "$4"}
if [ -n "$change" ]; then "$@" "$change" >/dev/null; else "$@" -x "$name"; fi
}
"#,
};

/// `guard_state COMMAND` says whether a command succeeds.
pub(crate) static GUARD_STATE: Tool = Tool {
    name: "guard_state",
    needs: &[],
    text: r#"guard_state() {
if sh -c "$1" >/dev/null 2>&1 </dev/null; then echo done; else echo open; fi
}
"#,
};

/// `shell COMMAND` runs a command.
pub(crate) static SHELL: Tool = Tool {
    name: "shell",
    needs: &[],
    text: r#"shell() {
sh -c "$1"
}
"#,
};

/// `boot_id` prints what is another one after each restart: Linux's boot id with the start of process 1 (a
/// container keeps the first of its machine), FreeBSD's boot id or boot time.
pub(crate) static BOOT_ID: Tool = Tool {
    name: "boot_id",
    needs: &[],
    text: r#"boot_id() {
if [ -r /proc/sys/kernel/random/boot_id ]; then
 read -r boot </proc/sys/kernel/random/boot_id
 # proc_pid_stat(5): field 22 is the start time; the name in parentheses may hold spaces.
 began=$(sed 's/^.*) //' /proc/1/stat 2>/dev/null | cut -d ' ' -f 20)
 printf '%s\n' "$boot-$began"
else
 sysctl -n kern.boot_id 2>/dev/null || sysctl -n kern.boottime 2>/dev/null | tr -cd '0-9\n'
fi
}
"#,
};

/// `reboot_in SECONDS LIMIT` restarts the host after so many seconds, when nobody waits for it any more, and
/// prints by what a restart can be told, and within how many seconds it should be back.
pub(crate) static REBOOT: Tool = Tool {
    name: "reboot_in",
    needs: &[&BOOT_ID],
    text: r#"reboot_in() {
command -v reboot >/dev/null 2>&1 || { echo 'there is no command reboot' >&2; return 1; }
printf 'boot %s restarts in %s s, within %s s\n' "$(boot_id)" "$1" "$2"
(trap '' HUP; sleep "$1"; exec reboot) >/dev/null 2>&1 </dev/null &
}
"#,
};
