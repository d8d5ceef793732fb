#!/bin/sh
# The first process of a fleet's host, in fresh namespaces: builds the host's root, then becomes its sshd.
# Arguments: the host's folder, its name, its IP and its link-layer address, the client's namespace, the link's name
# there, a machine id.
set -eu
umask 022
dir=$1 name=$2 address=$3 mac=$4 client=$5 link=$6 machine_id=$7
root=$dir/root
first=no
[ -e "$dir/booted" ] || first=yes

# What the host must not have becomes a whiteout of overlayfs: a character device 0:0 in the upper layer.
if [ $first = yes ]; then
    while IFS= read -r path; do
        mkdir -p "$dir/upper${path%/*}"
        mknod "$dir/upper$path" c 0 0
    done <"$dir/hide"
fi

mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys" || true # refused in some containers, and nothing here needs it
mount -t tmpfs -o size=64m,mode=755 tmpfs "$root/run"
mount -t tmpfs -o size=256m,mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o size=1m,mode=755 tmpfs "$root/dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$root/dev/"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/run/sshd" "$root/run/old-root"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
chmod 1777 "$root/dev/shm"

hostname "$name"
# Neighbour discovery of IPv6 is noise on a bridge of a hundred ports; a kernel without IPv6 has no such file.
echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/default/disable_ipv6 || true
ip link set lo up
ip link add eth0 address "$mac" type veth peer name "$link" netns "$client"
ip addr add "$address/16" dev eth0
ip link set eth0 up
ip -n "$client" link set "$link" master br0 up

if [ $first = yes ]; then
    cp -R --remove-destination "$dir/seed/." "$root/"
    rm -f "$root/etc/hostname" "$root/etc/hosts" "$root/etc/machine-id" "$root/etc/resolv.conf"
    echo "$name" >"$root/etc/hostname"
    printf '127.0.0.1\tlocalhost\n%s\t%s\n' "$address" "$name" >"$root/etc/hosts"
    echo "$machine_id" >"$root/etc/machine-id"
    : >"$root/etc/resolv.conf"
    # This machine's keys are not the host's; its shell start-up files cost a hundred forks per command.
    rm -rf "$root/root/.ssh" "$root/root/.bashrc" "$root/root/.profile" "$root/root/.bash_profile"
    rm -f "$root"/etc/ssh/ssh_host_*
    mkdir -m 700 "$root/root/.ssh"
    cp "$dir/../../identity.pub" "$root/root/.ssh/authorized_keys"
    chmod 600 "$root/root/.ssh/authorized_keys"
    # Without PAM, sshd refuses a login whose password field starts with "!".
    sed -i 's/^root:![^:]*/root:*/' "$root/etc/shadow"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$root/etc/ssh/ssh_host_ed25519_key" </dev/null
    cp -R "$dir/boot" "$root/run/fleet-boot"
    : >"$dir/booted"
fi

cd "$root"
pivot_root . run/old-root
umount -l /run/old-root
rmdir /run/old-root
if [ -e /run/fleet-boot/setup ]; then
    sh /run/fleet-boot/setup </dev/null
fi
rm -rf /run/fleet-boot

exec env -i PATH="$PATH" /usr/sbin/sshd -D -e -f /dev/null -h /etc/ssh/ssh_host_ed25519_key \
    -o AddressFamily=inet -o UsePAM=no -o StrictModes=no -o PermitRootLogin=prohibit-password \
    -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no -o MaxStartups=1000 -o MaxSessions=1000 \
    -o PidFile=none -o LogLevel=VERBOSE -o "Subsystem=sftp /usr/lib/openssh/sftp-server"
