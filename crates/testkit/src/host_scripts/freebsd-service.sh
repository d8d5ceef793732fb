#!/bin/sh
# EMULATED service(8) of FreeBSD: knows `service -e` (what is enabled) and nothing else.
case ${1-} in
-e) printf '%s\n' /etc/rc.d/syslogd /etc/rc.d/cron /etc/rc.d/sshd ;;
*) echo "service: (emulated) only \`service -e\` is known here" >&2; exit 64 ;;
esac
