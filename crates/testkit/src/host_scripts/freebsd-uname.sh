#!/bin/sh
# EMULATED uname(1) of FreeBSD: answers from what the fleet's caller recorded, in FreeBSD's order.
. /etc/fleet-freebsd.conf
read -r host </proc/sys/kernel/hostname
all=
for word; do
    case $word in
    -*[!asnrvmpi]*) echo "usage: uname [-aimnprsv]" >&2; exit 1 ;;
    -?*) all=$all${word#-} ;;
    *) echo "usage: uname [-aimnprsv]" >&2; exit 1 ;;
    esac
done
case $all in
'') all=s ;;
*a*) all=$all"snrvm" ;;
esac
out=
say() { case $all in *"$1"*) out="$out${out:+ }$2" ;; esac }
say s FreeBSD
say n "$host"
say r "$running_kernel"
say v "FreeBSD $running_kernel GENERIC (emulated by a test fleet)"
say m amd64
say p amd64
say i GENERIC
echo "$out"
