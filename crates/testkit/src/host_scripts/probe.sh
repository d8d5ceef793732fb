#!/bin/sh
# Tries, in fresh namespaces, what a host of a fleet needs. Says on standard output which step failed.
# Argument: an empty folder.
dir=$1
step() {
    what=$1
    shift
    if ! said=$("$@" 2>&1); then
        printf '%s: `%s` failed: %s\n' "$what" "$*" "$said"
        exit 1
    fi
}
step 'a tmpfs cannot be mounted' mount -t tmpfs tmpfs "$dir"
step 'a tmpfs cannot be written' mkdir "$dir/upper" "$dir/work" "$dir/root"
step 'overlayfs whiteouts cannot be made' mknod "$dir/upper/etc" c 0 0
step 'overlayfs cannot be mounted over / (is / itself an overlay, as in a container? then give the container a volume as root, or run on the machine)' \
    mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
step 'overlayfs does not honour whiteouts' test ! -e "$dir/root/etc"
step 'overlayfs over / does not show /usr (a file system of its own?)' test -x "$dir/root/usr/sbin/sshd"
step 'an overlay cannot be written' mkdir "$dir/root/usr/ifrit-probe"
step 'proc cannot be mounted' mount -t proc proc "$dir/root/proc"
step 'a pair of virtual network links cannot be made' ip link add eth0 type veth peer name eth1
step 'a bridge cannot be made' ip link add br0 type bridge
