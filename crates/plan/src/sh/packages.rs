//! Packages: apk, apt and pkg.

use super::Tool;
use super::repositories::{LISTS_STATE, UPDATE_LISTS};

/// `package_manager WANTED` puts the manager into `manager`; `auto` = the one that the host has.
const PACKAGE_MANAGER: Tool = Tool {
    name: "package_manager",
    needs: &[],
    text: r#"package_manager() {
manager=$1
[ "$manager" = auto ] || return 0
if [ -f /lib/apk/db/installed ] || [ -f /usr/lib/apk/db/installed ]; then manager=apk
elif [ -f /var/lib/dpkg/status ]; then manager=apt
elif [ -x /usr/local/sbin/pkg ]; then manager=pkg
else echo 'this host has none of apk, apt and pkg' >&2; return 1
fi
}
"#,
};

/// `apt_installed NAME...` prints `ii NAME VERSION` of what is installed. dpkg's own list is read, in a third of the
/// time that dpkg-query takes; where dpkg was stopped before it had written that, only dpkg-query can put it together.
const APT_INSTALLED: Tool = Tool {
    name: "apt_installed",
    needs: &[],
    text: r#"apt_installed() {
whole=yes
[ -f /var/lib/dpkg/status ] || whole=
for file in /var/lib/dpkg/updates/[0-9]*; do
  [ ! -e "$file" ] || whole=
done
if [ -z "$whole" ]; then
  dpkg-query -W -f='${db:Status-Abbrev}${Package} ${Version}\n' "$@" 2>/dev/null
  return
fi
NAMES=" $* " awk '
function tell() { if (name != "" && is_installed) print "ii " name " " version; name = ""; is_installed = 0 }
/^Package: / { tell(); if (index(ENVIRON["NAMES"], " " $2 " ")) name = $2; next }
name == "" { next }
/^Status: / { is_installed = ($0 == "Status: install ok installed") }
/^Version: / { version = $2 }
END { tell() }' /var/lib/dpkg/status
}
"#,
};

/// `package_state MANAGER HOW NAME...` prints for each name what is installed: with HOW `present` that it
/// is or is not, with `version` its version, with `latest` whether the repositories have a newer one.
pub(crate) static PACKAGE_STATE: Tool = Tool {
    name: "package_state",
    needs: &[&PACKAGE_MANAGER, &APT_INSTALLED],
    text: r#"package_state() {
package_manager "$1" || return
how=$2 newer=
shift 2
case $manager in
apt)
  installed=$(apt_installed "$@")
  [ "$how" != latest ] || newer=$(apt-get -s -qq install "$@" 2>/dev/null | sed -n 's/^Inst \([^ ]*\) .*/\1 /p') ;;
apk)
  for file in /lib/apk/db/installed /usr/lib/apk/db/installed; do
    [ -f "$file" ] && break
  done
  installed=$(awk '/^P:/ { name = substr($0, 3) } /^V:/ { print "ii " name " " substr($0, 3) }' "$file") || return
  [ "$how" != latest ] || newer=$(apk version -l '<' 2>/dev/null | sed -n 's/^\(.*\)-[0-9][^-]*-r[0-9]* .*/\1 /p') ;;
pkg)
  installed=$(/usr/local/sbin/pkg query 'ii %n %v' "$@" 2>/dev/null)
  [ "$how" != latest ] || newer=$(/usr/local/sbin/pkg version -qRUl '<' 2>/dev/null | sed -n 's/^\(.*\)-[^-]*$/\1 /p') ;;
esac
installed="
$installed
"
newer="
$newer
"
for name do
  case $installed in
  *"
ii $name "*)
    version=${installed#*"
ii $name "}
    version=${version%%"
"*} ;;
  *) printf '%s absent\n' "$name"; continue ;;
  esac
  case $how in
  present) version=present ;;
  latest) case $newer in *"
$name "*) version=old ;; *) version=latest ;; esac ;;
  esac
  printf '%s %s\n' "$name" "$version"
done
}
"#,
};

/// `change_packages MANAGER VERB UPDATE OPTIONS NAME...`: VERB is `install`, `latest` or `remove`; a name may be
/// `name=version`. UPDATE fetches the lists before; a number: only where apt's are older, in seconds. OPTIONS are
/// words for apt-get.
pub(crate) static CHANGE_PACKAGES: Tool = Tool {
    name: "change_packages",
    needs: &[&PACKAGE_MANAGER, &LISTS_STATE, &UPDATE_LISTS],
    text: r#"change_packages() {
package_manager "$1" || return
verb=$2 update=$3 options=$4
shift 4
case $manager in
apt)
  DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
  export DEBIAN_FRONTEND DEBIAN_PRIORITY
  case $update in
  [0-9]*)
    age=$(lists_state "$update") || return
    [ "$age" = fresh ] || update_lists apt '' '' '' || return ;;
  ?*) update_lists apt '' '' '' || return ;;
  esac
  case $verb in
  remove) apt-get -q -y -o DPkg::Lock::Timeout=60 $options remove "$@" ;;
  *) apt-get -q -y $options -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o DPkg::Lock::Timeout=60 --allow-downgrades install "$@" ;;
  esac ;;
apk)
  [ -z "$update" ] || apk update || return
  case $verb in
  install) apk add "$@" ;;
  latest) apk add --upgrade "$@" ;;
  remove) apk del "$@" ;;
  esac ;;
pkg)
  ASSUME_ALWAYS_YES=yes
  export ASSUME_ALWAYS_YES
  [ -z "$update" ] || /usr/local/sbin/pkg update || return
  case $verb in
  remove) /usr/local/sbin/pkg delete -y "$@" ;;
  latest) /usr/local/sbin/pkg install -y "$@" ;;
  install)
    for name do
      case $name in *=*) name=${name%%=*}-${name#*=} ;; esac
      /usr/local/sbin/pkg install -y "$name" || return
    done ;;
  esac ;;
esac
}
"#,
};
