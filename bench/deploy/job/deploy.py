"""The ten operations of the benchmark, as pyinfra has them."""

from pyinfra import host
from pyinfra.operations import apt, files, server

files.directory(path="/etc/app", mode="755", user="root", group="root")
for letter in "abc":
    files.put(src=f"files/{letter}.conf", dest=f"/etc/app/{letter}.conf", mode="644")
for letter in "de":
    files.template(src=f"templates/{letter}.j2", dest=f"/etc/app/{letter}.conf", mode="644", h=host.data.h, workers=4)
files.line(path="/etc/hosts", line="127.0.0.1 app.local")
files.line(path="/etc/sysctl.d/app.conf", line="net.core.somaxconn=1024")
server.user(user="app", home="/var/lib/app", shell="/usr/sbin/nologin", system=True, ensure_home=False)
apt.packages(packages=["openssh-server"], update=False)
