//! Settings in files of the system: single lines, hosts(5), sshd_config(5), locales, jails.

use super::Tool;
use super::lines::{DRAFT_OF, REWRITTEN};

/// `set_line PATH PATTERN LINE` replaces the first line that matches and drops the others; where none does,
/// the line is added.
pub(crate) static SET_LINE: Tool = Tool {
    name: "set_line",
    needs: &[&DRAFT_OF, &REWRITTEN],
    text: r#"set_line() {
draft_of "$1" || return
from=$1
[ -e "$1" ] || from=/dev/null
PATTERN=$2 LINE=$3 awk '
$0 ~ ENVIRON["PATTERN"] { if (!found) print ENVIRON["LINE"]; found = 1; next }
{ print }
END { if (!found) print ENVIRON["LINE"] }' "$from" >"$new" || { rm -f "$new"; return 1; }
rewritten "$1" '' ''
}
"#,
};

/// `hosts_state PATH IP HOW NAMES` prints the names of each entry for an address; with HOW `drop` and NAMES
/// only those that have one of the names.
pub(crate) static HOSTS_STATE: Tool = Tool {
    name: "hosts_state",
    needs: &[],
    text: r##"hosts_state() {
[ -f "$1" ] || return 0
IP=$2 HOW=$3 NAMES=$4 awk '
BEGIN { count = split(ENVIRON["NAMES"], given, " "); for (at = 1; at <= count; at++) wanted[given[at]] = 1 }
{ sub(/#.*/, "") }
$1 == ENVIRON["IP"] {
  names = ""; has = (count == 0 || ENVIRON["HOW"] == "set")
  for (at = 2; at <= NF; at++) { names = names " " $at; if ($at in wanted) has = 1 }
  if (has) print "=" names
}' "$1"
}
"##,
};

/// `edit_hosts PATH IP HOW NAMES`: `set` makes one entry of these names, `drop` takes names away, or every
/// entry of the address where none are given.
pub(crate) static EDIT_HOSTS: Tool = Tool {
    name: "edit_hosts",
    needs: &[&DRAFT_OF, &REWRITTEN],
    text: r##"edit_hosts() {
draft_of "$1" || return
from=$1
[ -e "$1" ] || from=/dev/null
IP=$2 HOW=$3 NAMES=$4 awk '
BEGIN { count = split(ENVIRON["NAMES"], given, " "); for (at = 1; at <= count; at++) wanted[given[at]] = 1 }
function entry() { if (!done) print ENVIRON["IP"] " " ENVIRON["NAMES"]; done = 1 }
{ line = $0; sub(/#.*/, "") }
$1 != ENVIRON["IP"] { print line; next }
ENVIRON["HOW"] == "set" { entry(); next }
count == 0 { next }
{ kept = ""; has = 0
  for (at = 2; at <= NF; at++) if ($at in wanted) has = 1; else kept = kept " " $at
  if (!has) print line; else if (kept != "") print $1 kept }
END { if (ENVIRON["HOW"] == "set") entry() }' "$from" >"$new" || { rm -f "$new"; return 1; }
rewritten "$1" '' ''
}
"##,
};

/// `sshd_state CONFIG KEYWORDS` prints the settings of our block, and before the first Match what stands
/// elsewhere for the same keywords (sshd takes the first), and an Include above the block.
pub(crate) static SSHD_STATE: Tool = Tool {
    name: "sshd_state",
    needs: &[],
    text: r##"sshd_state() {
[ -f "$1" ] || { echo absent; return 0; }
KEYWORDS=" $2 " awk '
$0 == "# BEGIN ifrit sshd.settings" { inside = 1; block = 1; next }
$0 == "# END ifrit sshd.settings" { inside = 0; next }
inside { print "= " $0; next }
matched { next }
{ line = $0; sub(/^[ \t]+/, "", line); split(line, part, /[ \t=]+/); keyword = tolower(part[1]) }
keyword == "match" { matched = 1; next }
keyword == "include" && !block { print "above " line }
index(ENVIRON["KEYWORDS"], " " keyword " ") && keyword != "" { print "also " line }' "$1"
}
"##,
};

/// `edit_sshd BODY CONFIG KEYWORDS` puts the block first, makes comments of other lines for its keywords, and
/// lets `sshd -t` look at the file before it takes its place.
pub(crate) static EDIT_SSHD: Tool = Tool {
    name: "edit_sshd",
    needs: &[&DRAFT_OF, &REWRITTEN],
    text: r##"edit_sshd() {
draft_of "$2" || return
from=$2
[ -e "$2" ] || from=/dev/null
{
  printf '# BEGIN ifrit sshd.settings\n'
  cat "$1"
  printf '# END ifrit sshd.settings\n'
  KEYWORDS=" $3 " awk '
$0 == "# BEGIN ifrit sshd.settings" { inside = 1; next }
$0 == "# END ifrit sshd.settings" { inside = 0; next }
inside { next }
matched { print; next }
{ line = $0; sub(/^[ \t]+/, "", line); split(line, part, /[ \t=]+/); keyword = tolower(part[1]) }
keyword == "match" { matched = 1 }
keyword != "" && !matched && index(ENVIRON["KEYWORDS"], " " keyword " ") { print "#" $0; next }
{ print }' "$from"
} >"$new" || { rm -f "$new"; return 1; }
rewritten "$2" '' 'sshd=$(command -v sshd) || sshd=/usr/sbin/sshd
"$sshd" -t -f "$1"'
}
"##,
};

/// `locale_state NAME` prints whether a locale of Debian is `enabled`, `disabled`, or not known.
pub(crate) static LOCALE_STATE: Tool = Tool {
    name: "locale_state",
    needs: &[],
    text: r##"locale_state() {
[ -f /etc/locale.gen ] || { echo 'no locale.gen'; return 0; }
NAME=$1 awk '
{ line = $0; is_on = sub(/^[ \t]*#[ \t]*/, "", line) == 0; split(line, part, " ") }
part[1] == ENVIRON["NAME"] { if (is_on) on = 1; found = 1 }
END { print on ? "enabled" : found ? "disabled" : "unknown" }' /etc/locale.gen
}
"##,
};

/// `set_locale NAME VERB`: `enable` or `disable`, then locale-gen(8).
pub(crate) static SET_LOCALE: Tool = Tool {
    name: "set_locale",
    needs: &[&DRAFT_OF, &REWRITTEN],
    text: r##"set_locale() {
draft_of /etc/locale.gen || return
NAME=$1 VERB=$2 awk '
{ line = $0; is_on = sub(/^[ \t]*#[ \t]*/, "", line) == 0; split(line, part, " ") }
part[1] != ENVIRON["NAME"] { print; next }
ENVIRON["VERB"] == "enable" { print line; next }
is_on { print "# " line; next }
{ print }' /etc/locale.gen >"$new" || { rm -f "$new"; return 1; }
rewritten /etc/locale.gen '' '' && locale-gen
}
"##,
};

/// `jail_state NAME` prints whether a jail runs and whether it starts at boot.
pub(crate) static JAIL_STATE: Tool = Tool {
    name: "jail_state",
    needs: &[],
    text: r#"jail_state() {
if jls -j "$1" jid >/dev/null 2>&1; then echo running; else echo stopped; fi
starts=disabled
case $(sysrc -n jail_enable 2>/dev/null) in
[Yy][Ee][Ss])
  list=$(sysrc -n jail_list 2>/dev/null)
  case " $list " in "  " | *" $1 "*) starts=enabled ;; esac ;;
esac
printf '%s\n' "$starts"
}
"#,
};

/// `set_jail NAME RUNNING ENABLED`: `yes`, `no` or `-` (as it is). An empty jail_list means every jail.
pub(crate) static SET_JAIL: Tool = Tool {
    name: "set_jail",
    needs: &[&JAIL_STATE],
    text: r#"set_jail() {
state=$(jail_state "$1") || return
list=$(sysrc -n jail_list 2>/dev/null)
case "$3 $state" in
yes*disabled)
  sysrc "jail_list+=$1" >/dev/null && sysrc jail_enable=YES >/dev/null || return ;;
no*enabled)
  if [ -z "$list" ]; then
    echo 'jail_list is empty, so every jail starts: name those that are to start' >&2
    return 1
  elif [ "$list" = "$1" ]; then sysrc jail_enable=NO >/dev/null || return
  fi
  sysrc "jail_list-=$1" >/dev/null || return ;;
esac
case "$2 $state" in
yes*stopped*) service jail onestart "$1" ;;
no*running*) service jail onestop "$1" ;;
esac
}
"#,
};
