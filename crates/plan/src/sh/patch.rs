//! Closing findings: what could be upgraded, upgrading just that, and who uses it.

use super::Tool;

/// `patch_pkg JAIL WORD...` runs pkg(8), in a jail where one is named.
pub(super) const PATCH_PKG: Tool = Tool {
    name: "patch_pkg",
    needs: &[],
    text: r#"patch_pkg() {
jail=$1
shift
if [ -n "$jail" ]; then /usr/local/sbin/pkg -j "$jail" "$@"; else /usr/local/sbin/pkg "$@"; fi
}
"#,
};

/// `upgrade_state MANAGER JAIL REFRESH NAME...` prints `NAME INSTALLED CANDIDATE` for each package that is
/// installed; `-` = the repositories have none. REFRESH fetches the lists before.
pub(crate) static UPGRADE_STATE: Tool = Tool {
    name: "upgrade_state",
    needs: &[&PATCH_PKG],
    text: r#"upgrade_state() {
manager=$1 jailed=$2 refresh=$3
shift 3
case $manager in
apt)
  [ -z "$refresh" ] || apt-get -qq -o DPkg::Lock::Timeout=60 -o APT::Update::Error-Mode=any update >/dev/null || return 3
  apt-cache policy "$@" | awk '
    /^[^ ].*:$/ { name = substr($0, 1, length($0) - 1) }
    /^  Installed:/ { installed = $2 }
    /^  Candidate:/ { if (installed != "(none)") print name, installed, ($2 == "(none)" ? "-" : $2) }' ;;
apk)
  [ -z "$refresh" ] || apk update >/dev/null || return 3
  names="$*"
  apk version "$@" | awk -v names="$names" '
    BEGIN { count = split(names, wanted, " ") }
    { for (at = 1; at <= count; at++) {
        version = substr($1, length(wanted[at]) + 2)
        if (index($1, wanted[at] "-") == 1 && version ~ /^[0-9][^-]*-r[0-9]+$/)
          print wanted[at], version, ($3 == "" || $3 == "?" ? "-" : $3)
    } }' ;;
pkg)
  [ -z "$refresh" ] || patch_pkg "$jailed" update -q >/dev/null || return 3
  { patch_pkg "$jailed" rquery -U 'a %n %v' "$@" 2>/dev/null; patch_pkg "$jailed" query 'i %n %v' "$@"; } | awk '
    $1 == "a" && !($2 in found) { found[$2] = $3 }
    $1 == "i" { print $2, $3, (($2 in found) ? found[$2] : "-") }' ;;
esac
}
"#,
};

/// `patch_versions MANAGER JAIL NAME...` prints `NAME VERSION` for each, in their order; `absent` where it
/// is not installed.
pub(crate) static PATCH_VERSIONS: Tool = Tool {
    name: "patch_versions",
    needs: &[&PATCH_PKG],
    text: r#"patch_versions() {
manager=$1 jailed=$2
shift 2
file=/lib/apk/db/installed
[ -f "$file" ] || file=/usr/lib/apk/db/installed
for name do
  case $manager in
  apt) version=$(dpkg-query -W -f='${Version}' "$name" 2>/dev/null) ;;
  apk) version=$(awk -v name="$name" '/^P:/ { at = substr($0, 3) } /^V:/ { if (at == name) print substr($0, 3) }' "$file") ;;
  pkg) version=$(patch_pkg "$jailed" query %v "$name" 2>/dev/null) ;;
  esac
  printf '%s %s\n' "$name" "${version:-absent}"
done
}
"#,
};

/// `patch_packages MANAGER JAIL NAME=VERSION...` upgrades just these: nothing is installed anew but what they
/// need, nothing is removed, no question is asked, changed files of configuration stay.
pub(crate) static PATCH_PACKAGES: Tool = Tool {
    name: "patch_packages",
    needs: &[&PATCH_PKG],
    text: r#"patch_packages() {
manager=$1 jailed=$2
shift 2
if [ "$manager" != apt ]; then
  for word do
    shift
    set -- "$@" "${word%%=*}"
  done
fi
case $manager in
apt)
  DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
  export DEBIAN_FRONTEND DEBIAN_PRIORITY
  apt-get -q -y --only-upgrade --no-remove -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=60 install "$@" ;;
apk)
  # Before 2.12 `apk upgrade` takes no names, and would upgrade everything.
  case $(apk --version) in
  apk-tools\ 2.[0-9].* | apk-tools\ 2.1[01].*) apk add --upgrade "$@" ;;
  *) apk upgrade "$@" ;;
  esac ;;
pkg)
  ASSUME_ALWAYS_YES=yes
  export ASSUME_ALWAYS_YES
  patch_pkg "$jailed" upgrade -y "$@" ;;
esac
}
"#,
};

/// `users_of MANAGER NAME...` prints the services whose processes map a program or library of these packages,
/// replaced or not. On FreeBSD, where mappings cannot be told, the running services that the packages bring.
pub(crate) static USERS_OF: Tool = Tool {
    name: "users_of",
    needs: &[],
    text: r#"users_of() {
manager=$1
shift
case $manager in
apt) files=$(dpkg -L "$@" 2>/dev/null) ;;
apk) files=$(apk info -q -L "$@" 2>/dev/null | sed 's,^,/,') ;;
pkg)
  /usr/local/sbin/pkg query %Fp "$@" | sed -n 's,^/usr/local/etc/rc.d/,,p' | while read -r name; do
    ! service "$name" onestatus >/dev/null 2>&1 || printf '%s\n' "$name"
  done
  return 0 ;;
esac
[ -r /proc/1/maps ] || return 0
{ printf '%s\nmaps\n' "$files"; grep -sH ' ..xp .* /' /proc/[0-9]*/maps; } | awk '
  function plain(path) { return index(path, "/usr/") == 1 ? substr(path, 5) : path }
  $0 == "maps" { maps = 1; next }
  !maps { if (index($0, "/") == 1) mine[plain($0)] = 1; next }
  { path = substr($0, index($0, " /") + 1); sub(/ \(deleted\)$/, "", path)
    if (plain(path) in mine) { split($0, part, "/"); print part[3] } }' | sort -un | while read -r pid; do
  name=
  while IFS= read -r line; do
    case $line in
    */user.slice/*) ;;
    *.service) name=${line##*/}; name=${name%.service} ;;
    *:/openrc.*) name=${line##*:/openrc.}; name=${name%%/*} ;;
    *name=openrc:/?*) name=${line##*name=openrc:/}; name=${name%%/*} ;;
    esac
  done 2>/dev/null <"/proc/$pid/cgroup"
  if [ -z "$name" ] && read -r line 2>/dev/null <"/proc/$pid/comm" && [ -x "/etc/init.d/$line" ]; then
    name=$line
  fi
  [ -z "$name" ] || printf '%s\n' "$name"
done | sort -u
}
"#,
};

/// `base_state` prints the versions of FreeBSD's kernel and userland that are installed.
pub(crate) static BASE_STATE: Tool =
    Tool { name: "base_state", needs: &[], text: "base_state() {\nfreebsd-version -k -u\n}\n" };

/// `patch_base` brings FreeBSD's base system to its newest patch level, asking nothing.
pub(crate) static PATCH_BASE: Tool = Tool {
    name: "patch_base",
    needs: &[],
    text: r#"patch_base() {
PAGER=cat ASSUME_ALWAYS_YES=yes
export PAGER ASSUME_ALWAYS_YES
if /usr/local/sbin/pkg which -q /usr/bin/uname >/dev/null 2>&1; then
  /usr/local/sbin/pkg upgrade -y -r FreeBSD-base
  return
fi
freebsd-update --not-running-from-cron fetch || return
freebsd-update updatesready >/dev/null 2>&1 || return 0
freebsd-update --not-running-from-cron install
}
"#,
};
