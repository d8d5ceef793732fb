# Runs inside a Debian host before its sshd is up: installs what the fleet's caller asked for.
set -eu
export DEBIAN_FRONTEND=noninteractive
for package in /run/fleet-boot/packages/*.deb; do
    [ -e "$package" ] || continue
    dpkg --install "$package"
done
if [ -e /etc/apt/sources.list.d/ifrit-exercise.list ]; then
    apt-get --quiet update
fi
