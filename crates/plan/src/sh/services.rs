//! Services: OpenRC, systemd, runit, FreeBSD's rc.d and System V init scripts.

use super::Tool;

/// `service_manager WANTED` puts the manager into `manager`; `auto` = the one that the host runs.
const SERVICE_MANAGER: Tool = Tool {
    name: "service_manager",
    needs: &[],
    text: r#"service_manager() {
manager=$1
[ "$manager" = auto ] || return 0
if [ -d /run/systemd/system ]; then manager=systemd
elif [ -x /sbin/openrc-run ]; then manager=openrc
elif [ -x /bin/freebsd-version ]; then manager=freebsd
elif [ -d /etc/runit ] || [ -d /run/runit ]; then manager=runit
elif [ -d /etc/init.d ]; then manager=sysv
else echo 'this host has no service manager that ifrit knows' >&2; return 1
fi
}
"#,
};

/// `systemd OPTIONS WORD...` is systemctl(1); OPTIONS say whose manager, as words.
const SYSTEMD: Tool = Tool {
    name: "systemd",
    needs: &[],
    text: r#"systemd() {
options=$1
shift
case $options in
*--user*)
  XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
  export XDG_RUNTIME_DIR ;;
esac
systemctl $options "$@"
}
"#,
};

/// `service_state MANAGER NAME FIELDS WHERE` prints of the FIELDS `d` whether systemd knows the unit as it is now,
/// `r` whether it runs, `e` whether it is enabled; or `absent`. WHERE is OpenRC's runlevel, runit's directory,
/// FreeBSD's jail or systemctl's options.
pub(crate) static SERVICE_STATE: Tool = Tool {
    name: "service_state",
    needs: &[&SERVICE_MANAGER, &SYSTEMD],
    text: r#"service_state() {
service_manager "$1" || return
runs=stopped starts=disabled read=current
case $manager in
systemd)
  about=$(systemd "$4" show -p LoadState -p ActiveState -p UnitFileState -p NeedDaemonReload "$2" 2>/dev/null)
  case $about in *LoadState=not-found*) echo absent; return 0 ;; esac
  case $about in *ActiveState=active* | *ActiveState=reloading* | *ActiveState=activating*) runs=running ;; esac
  case $about in *UnitFileState=enabled* | *UnitFileState=static* | *UnitFileState=alias*) starts=enabled ;; esac
  case $about in *NeedDaemonReload=yes*) read=outdated ;; esac ;;
openrc)
  [ -e "/etc/init.d/$2" ] || { echo absent; return 0; }
  case $3 in *r*) ! rc-service "$2" status >/dev/null 2>&1 || runs=running ;; esac
  [ ! -e "/etc/runlevels/${4:-default}/$2" ] || starts=enabled ;;
freebsd)
  root=
  [ -z "$4" ] || root=$(jls -j "$4" path) || return
  [ -e "$root/etc/rc.d/$2" ] || [ -e "$root/usr/local/etc/rc.d/$2" ] || { echo absent; return 0; }
  case $3 in *r*) ! service ${4:+-j "$4"} "$2" onestatus >/dev/null 2>&1 || runs=running ;; esac
  case $3 in *e*) ! service ${4:+-j "$4"} "$2" enabled >/dev/null 2>&1 || starts=enabled ;; esac ;;
runit)
  [ -e "/etc/sv/$2" ] || [ -e "${4:-/var/service}/$2" ] || { echo absent; return 0; }
  case $3 in *r*) case $(SVDIR=${4:-/var/service} sv status "$2" 2>/dev/null) in run:*) runs=running ;; esac ;; esac
  [ ! -e "${4:-/var/service}/$2" ] || starts=enabled ;;
sysv)
  [ -e "/etc/init.d/$2" ] || { echo absent; return 0; }
  case $3 in *r*) ! "/etc/init.d/$2" status >/dev/null 2>&1 || runs=running ;; esac
  for link in /etc/rc[2345].d/S[0-9][0-9]"$2"; do [ ! -e "$link" ] || starts=enabled; done ;;
esac
case $3 in *d*) printf '%s\n' "$read" ;; esac
case $3 in *r*) printf '%s\n' "$runs" ;; esac
case $3 in *e*) printf '%s\n' "$starts" ;; esac
return 0
}
"#,
};

/// `run_service MANAGER NAME VERB WHERE`: `start`, `stop`, `restart`, `reload` or a word of the service's own;
/// without a NAME a word for systemd itself.
pub(crate) static RUN_SERVICE: Tool = Tool {
    name: "run_service",
    needs: &[&SERVICE_MANAGER, &SYSTEMD],
    text: r#"run_service() {
service_manager "$1" || return
case $manager in
systemd) systemd "$4" "$3" ${2:+"$2"} ;;
openrc) rc-service "$2" "$3" ;;
freebsd)
  case $3 in start | stop | restart | reload) set -- "$1" "$2" "one$3" "$4" ;; esac
  service ${4:+-j "$4"} "$2" "$3" ;;
runit) SVDIR=${4:-/var/service} sv "$3" "$2" ;;
sysv) "/etc/init.d/$2" "$3" ;;
esac
}
"#,
};

/// `change_service MANAGER NAME RUNNING ENABLED WHERE`: `yes`, `no` or `-` (as it is).
pub(crate) static CHANGE_SERVICE: Tool = Tool {
    name: "change_service",
    needs: &[&SERVICE_STATE, &RUN_SERVICE],
    text: r#"change_service() {
service_manager "$1" || return
state=$(service_state "$manager" "$2" re "$5") || return
[ "$state" != absent ] || { printf 'there is no service %s\n' "$2" >&2; return 1; }
where=$5
case "$4 $state" in
yes*disabled)
  case $manager in
  systemd) systemd "$where" enable "$2" ;;
  openrc) rc-update add "$2" "${where:-default}" ;;
  freebsd) service ${where:+-j "$where"} "$2" enable ;;
  runit) ln -s "/etc/sv/$2" "${where:-/var/service}/$2" ;;
  sysv) update-rc.d "$2" defaults && update-rc.d "$2" enable ;;
  esac || return ;;
no*enabled)
  case $manager in
  systemd) systemd "$where" disable "$2" ;;
  openrc) rc-update del "$2" "${where:-default}" ;;
  freebsd) ;;
  runit) rm -f "${where:-/var/service}/$2" ;;
  sysv) update-rc.d "$2" disable ;;
  esac || return ;;
esac
case "$3 $state" in
yes*stopped*) run_service "$manager" "$2" start "$where" || return ;;
no*running*) run_service "$manager" "$2" stop "$where" || return ;;
esac
case "$manager $4 $state" in
freebsd\ no*enabled) service ${where:+-j "$where"} "$2" disable ;;
esac
}
"#,
};
