#!/bin/sh
# EMULATED freebsd-version(1): answers from what the fleet's caller recorded.
. /etc/fleet-freebsd.conf
[ $# -gt 0 ] || set -- -u
show_k=no show_r=no show_u=no
for word; do
    case $word in
    -*[!kru]*) echo "usage: freebsd-version [-kru]" >&2; exit 1 ;;
    -?*) ;;
    *) echo "usage: freebsd-version [-kru]" >&2; exit 1 ;;
    esac
    case $word in *k*) show_k=yes ;; esac
    case $word in *r*) show_r=yes ;; esac
    case $word in *u*) show_u=yes ;; esac
done
[ $show_k = no ] || echo "$kernel"
[ $show_r = no ] || echo "$running_kernel"
[ $show_u = no ] || echo "$userland"
