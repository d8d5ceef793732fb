//! Lists of packages, upgrades of everything, single packages in jails.

use super::Tool;
use super::patch::{PATCH_BASE, PATCH_PKG};
use super::transfer::AGE_OF;

/// `lists_state SECONDS` says whether apt's lists are younger than that.
pub(crate) static LISTS_STATE: Tool = Tool {
    name: "lists_state",
    needs: &[&AGE_OF],
    text: r#"lists_state() {
stamp=/var/lib/apt/periodic/update-success-stamp
if [ -e "$stamp" ]; then age_of "$stamp" "$1" || return; else age=old; fi
printf '%s\n' "$age"
}
"#,
};

/// `update_lists MANAGER JAIL FORCE REPOSITORY`.
pub(crate) static UPDATE_LISTS: Tool = Tool {
    name: "update_lists",
    needs: &[&PATCH_PKG],
    text: r#"update_lists() {
case $1 in
apt)
  apt-get -q -y -o DPkg::Lock::Timeout=60 update || return
  mkdir -p /var/lib/apt/periodic && touch /var/lib/apt/periodic/update-success-stamp ;;
apk) apk update ;;
pkg) patch_pkg "$2" update ${3:+-f} ${4:+-r "$4"} ;;
esac
}
"#,
};

/// `pending_state MANAGER HOW JAIL REPOSITORY` prints what an upgrade of everything would change, a line for
/// each package. HOW: apt's verb with `auto` after it for unneeded packages; `available` of apk; `autoremove`
/// of pkg.
pub(crate) static PENDING_STATE: Tool = Tool {
    name: "pending_state",
    needs: &[&PATCH_PKG],
    text: r#"pending_state() {
case $1 in
apt)
  case $2 in *\ auto) auto=--auto-remove ;; *) auto= ;; esac
  found=$(apt-get -s -qq $auto "${2% auto}") || return
  printf '%s\n' "$found" | awk '/^(Inst|Remv) / { gsub(/[\[\]()]/, "", $3); print $1, $2, $3 }' ;;
apk)
  found=$(apk upgrade --simulate ${2:+--available}) || return
  printf '%s\n' "$found" | awk '/^\([0-9]+\/[0-9]+\) / { $1 = ""; print substr($0, 2) }' ;;
pkg)
  if [ "$2" = autoremove ]; then
    patch_pkg "$3" autoremove -n 2>/dev/null | awk '/^\t/ { print $1, $2 }'
  else
    found=$(patch_pkg "$3" version -qRUl '<' ${4:+-r "$4"}) || return
    printf '%s\n' "$found" | awk 'NF { print $1 }'
  fi ;;
esac
}
"#,
};

/// `upgrade_all MANAGER HOW JAIL REPOSITORY FORCE`: asks nothing, keeps changed files of configuration.
pub(crate) static UPGRADE_ALL: Tool = Tool {
    name: "upgrade_all",
    needs: &[&PATCH_PKG],
    text: r#"upgrade_all() {
case $1 in
apt)
  DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
  export DEBIAN_FRONTEND DEBIAN_PRIORITY
  case $2 in *\ auto) auto=--auto-remove ;; *) auto= ;; esac
  apt-get -q -y $auto -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o DPkg::Lock::Timeout=60 "${2% auto}" ;;
apk) apk upgrade ${2:+--available} ;;
pkg)
  ASSUME_ALWAYS_YES=yes
  export ASSUME_ALWAYS_YES
  case $2 in
  autoremove) patch_pkg "$3" autoremove -y ;;
  clean) patch_pkg "$3" clean -y ;;
  clean-all) patch_pkg "$3" clean -y -a ;;
  *) patch_pkg "$3" upgrade -y ${5:+-f} ${4:+-r "$4"} ;;
  esac ;;
esac
}
"#,
};

/// `pkg_state JAIL NAME` says whether a package of FreeBSD is installed.
pub(crate) static PKG_STATE: Tool = Tool {
    name: "pkg_state",
    needs: &[&PATCH_PKG],
    text: r#"pkg_state() {
if patch_pkg "$1" info -e "$2" >/dev/null 2>&1; then echo installed; else echo absent; fi
}
"#,
};

/// `change_pkg VERB JAIL NAME REPOSITORY`: `install` or `remove`.
pub(crate) static CHANGE_PKG: Tool = Tool {
    name: "change_pkg",
    needs: &[&PATCH_PKG],
    text: r#"change_pkg() {
ASSUME_ALWAYS_YES=yes
export ASSUME_ALWAYS_YES
if [ "$1" = install ]; then patch_pkg "$2" install -y ${4:+-r "$4"} -- "$3"
else patch_pkg "$2" delete -y -- "$3"
fi
}
"#,
};

/// `deb_state FILE` says whether the package of a .deb file is installed in its version.
pub(crate) static DEB_STATE: Tool = Tool {
    name: "deb_state",
    needs: &[],
    text: r#"deb_state() {
[ -f "$1" ] || { echo 'no file'; return 0; }
name=$(dpkg-deb -f "$1" Package) && version=$(dpkg-deb -f "$1" Version) || return
case $(dpkg-query -W -f='${db:Status-Abbrev}${Version}' "$name" 2>/dev/null) in
"ii $version") echo installed ;;
ii*) echo 'other version' ;;
*) echo absent ;;
esac
}
"#,
};

/// `change_deb FILE VERB FORCE`: `install`, with what it needs, or `remove`.
pub(crate) static CHANGE_DEB: Tool = Tool {
    name: "change_deb",
    needs: &[],
    text: r#"change_deb() {
DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
export DEBIAN_FRONTEND DEBIAN_PRIORITY
[ -f "$1" ] || { printf 'there is no file %s\n' "$1" >&2; return 1; }
if [ "$2" = install ]; then
  apt-get -q -y ${3:+--allow-downgrades} ${3:+--allow-change-held-packages} -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=60 install "$1"
else
  name=$(dpkg-deb -f "$1" Package) || return
  apt-get -q -y -o DPkg::Lock::Timeout=60 remove "$name"
fi
}
"#,
};

/// `update_base` brings FreeBSD's base system to its newest patch level, and says where it needs a reboot.
pub(crate) static UPDATE_BASE: Tool = Tool {
    name: "update_base",
    needs: &[&PATCH_BASE],
    text: r#"update_base() {
patch_base || return
installed=$(freebsd-version -k) && runs=$(uname -r) || return 0
[ "$installed" = "$runs" ] || printf 'a reboot is needed: the kernel %s is installed, %s runs\n' "$installed" "$runs"
}
"#,
};

/// `lbu_state` prints what Alpine's lbu(8) would save.
pub(crate) static LBU_STATE: Tool =
    Tool { name: "lbu_state", needs: &[], text: "lbu_state() {\nlbu status\n}\n" };

/// `lbu_commit MEDIA` saves it.
pub(crate) static LBU_COMMIT: Tool =
    Tool { name: "lbu_commit", needs: &[], text: "lbu_commit() {\nlbu commit ${1:+\"$1\"}\n}\n" };
