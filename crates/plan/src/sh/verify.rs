//! Looking whether a fix is in force: versions, files against checksums, who runs what since when.
//! These functions only read. Package names come as words; nothing that a file says is run.

use super::Tool;
use super::patch::PATCH_PKG;

/// `verify_versions MANAGER JAIL NAME...` prints `NAME VERSION SOURCEVERSION STATE` for each package that is
/// there, a line for each architecture. `STATE` is dpkg's, which may be half done; that of the others is `installed`.
/// `= asked` = the package manager's database could be read: without it nothing was told of what is not there.
pub(crate) static VERIFY_VERSIONS: Tool = Tool {
    name: "verify_versions",
    needs: &[&PATCH_PKG],
    text: r#"verify_versions() {
manager=$1 jailed=$2
shift 2
case $manager in
apt)
  dpkg-query -W -f='${db:Status-Status} ${Package} ${Version} ${source:Version}\n' "$@" 2>/dev/null |
    awk 'NF == 4 && $1 != "not-installed" && $1 != "config-files" { print $2, $3, $4, $1 }'
  ! dpkg-query -W >/dev/null 2>&1 || echo '= asked' ;;
apk)
  names="$*" file=/lib/apk/db/installed
  [ -f "$file" ] || file=/usr/lib/apk/db/installed
  awk -v names="$names" '
    BEGIN { count = split(names, all, " "); for (at = 1; at <= count; at++) wanted[all[at]] = 1 }
    /^P:/ { name = substr($0, 3); any = 1 }
    /^V:/ { if (name in wanted) print name, substr($0, 3), substr($0, 3), "installed" }
    END { if (any) print "= asked" }' "$file" 2>/dev/null ;;
pkg)
  for name do patch_pkg "$jailed" query '%n %v %v' "$name" 2>/dev/null; done
  ! patch_pkg "$jailed" info -q >/dev/null 2>&1 || echo '= asked' ;;
esac
return 0
}
"#,
};

/// `verify_base` prints the versions of FreeBSD's userland, installed kernel and running kernel as
/// `u VERSION`, `k VERSION`, `r VERSION`.
pub(crate) static VERIFY_BASE: Tool = Tool {
    name: "verify_base",
    needs: &[],
    text: r#"verify_base() {
for option in u k r; do
  printf '%s %s\n' "$option" "$(freebsd-version "-$option" 2>/dev/null)"
done
}
"#,
};

/// `verify_kernel` prints what runs: `release RELEASE`, and the line of /proc/version.
pub(crate) static VERIFY_KERNEL: Tool = Tool {
    name: "verify_kernel",
    needs: &[],
    text: r#"verify_kernel() {
printf 'release %s\n' "$(uname -r)"
[ ! -r /proc/version ] || { read -r line </proc/version && printf 'version %s\n' "$line"; }
return 0
}
"#,
};

/// `verify_files MANAGER JAIL NAME...` holds the packages' files against the checksums that they brought,
/// all in one call of the package manager. `sums NAME` = it has checksums; `file NAME LINE` = what the
/// package manager says of one of its files; `said LINE` = what it says otherwise; `status N`.
pub(crate) static VERIFY_FILES: Tool = Tool {
    name: "verify_files",
    needs: &[&PATCH_PKG],
    text: r#"verify_files() {
manager=$1 jailed=$2
shift 2
case $manager in
apt)
  folder=/var/lib/dpkg/info
  for name do
    for sums in "$folder/$name.md5sums" "$folder/$name":*.md5sums; do
      [ ! -s "$sums" ] || { printf 'sums %s\n' "$name"; break; }
    done
  done
  # dpkg complains of what is not installed.
  for name do
    shift
    for list in "$folder/$name.list" "$folder/$name":*.list; do
      [ ! -f "$list" ] || { set -- "$@" "$name"; break; }
    done
  done
  [ $# -gt 0 ] || return 0
  said=$(dpkg -V "$@" 2>&1)
  printf 'status %s\n' "$?"
  { for name do
      for list in "$folder/$name.list" "$folder/$name":*.list; do
        [ ! -f "$list" ] || { printf 'L%s\n' "$name"; cat "$list"; }
      done
    done
    printf 'V\n%s\n' "$said"; } | awk '
    /^L/ && !over { name = substr($0, 2); next }
    $0 == "V" { over = 1; next }
    !over { owner[$0] = name; next }
    $0 == "" { next }
    { at = index($0, " /"); path = at ? substr($0, at + 1) : ""; sub(/ \(.*\)$/, "", path)
      if (path in owner) print "file", owner[path], $0; else print "said", $0 }' ;;
apk)
  file=/lib/apk/db/installed names="$*"
  [ -f "$file" ] || file=/usr/lib/apk/db/installed
  command -v apk >/dev/null 2>&1 || { echo 'said there is no apk here to ask'; return 0; }
  for name do printf 'sums %s\n' "$name"; done
  said=$(apk audit --system 2>&1)
  printf 'status %s\n' "$?"
  printf '%s\n' "$said" | awk -v names="$names" '
    BEGIN { count = split(names, all, " "); for (at = 1; at <= count; at++) wanted[all[at]] = 1 }
    FILENAME != "-" { key = substr($0, 1, 2); value = substr($0, 3)
      if (key == "P:") name = value
      else if (key == "F:") folder = value
      else if (key == "R:" && name in wanted) owner[(folder == "" ? "" : folder "/") value] = name
      next }
    { path = substr($0, 3); sub(/^\//, "", path)
      if (path in owner) print "file", owner[path], $0
      else if ($0 ~ /^(ERROR|WARNING)/) print "said", $0 }' "$file" - ;;
pkg)
  said=$(patch_pkg "$jailed" check -s -q "$@" 2>&1)
  status=$?
  for name do
    [ -z "$(patch_pkg "$jailed" query '%Fs' "$name" 2>/dev/null | head -n 1)" ] || printf 'sums %s\n' "$name"
  done
  printf 'status %s\n' "$status"
  names="$*"
  printf '%s\n' "$said" | awk -v names="$names" '
    BEGIN { count = split(names, all, " ") }
    $0 == "" || /^Checking/ { next }
    { owner = ""
      for (at = 1; at <= count; at++) if (index($0, all[at] "-") == 1 && length(all[at]) > length(owner)) owner = all[at]
      if (owner != "") print "file", owner, $0; else print "said", $0 }' ;;
esac
return 0
}
"#,
};

/// `verify_runs MANAGER NAME...` prints who runs files of the packages: `now EPOCH`, `install NAME EPOCH`
/// (`install * EPOCH` = no package was installed after that), `map PID new|old NAME PATH` (`old` = the file
/// was replaced; `gone` = a file whose path the kernel does not tell), `proc PID START NAME` (START is `-` where
/// it cannot be told); `hidden` = the login may not look into the processes of others.
///
/// A process chooses its own name, with parentheses, spaces and ends of lines as it likes.
///
/// Only executable mappings: data files that are deleted and still open are the habit of databases. A
/// replaced library of another version has another name: it is told by its folder and its name up to `.so`.
pub(crate) static VERIFY_RUNS: Tool = Tool {
    name: "verify_runs",
    needs: &[],
    text: r#"verify_runs() {
manager=$1
shift
printf 'now %s\n' "$(date +%s)"
folder=/var/lib/dpkg/info file=/lib/apk/db/installed names="$*"
[ -f "$file" ] || file=/usr/lib/apk/db/installed
case $manager in
apt)
  for name do
    for list in "$folder/$name.list" "$folder/$name":*.list; do
      [ ! -f "$list" ] || printf 'install %s %s\n' "$name" "$(stat -c %Y "$list")"
    done
  done ;;
apk) printf 'install * %s\n' "$(stat -c %Y "$file")" ;;
pkg)
  for name do /usr/local/sbin/pkg query 'install %n %t' "$name" 2>/dev/null; done
  maps=$({ for name do /usr/local/sbin/pkg query 'F %n %Fp' "$name" 2>/dev/null; done; procstat -av 2>/dev/null; } | awk '
    $1 == "F" { mine[substr($0, length($2) + 4)] = $2; next }
    $10 == "vn" && $4 ~ /x/ {
      if (NF < 11) line = "map " $1 " gone - -"
      else if ($11 in mine) line = "map " $1 " new " mine[$11] " " $11
      else next
      if (!seen[line]++) print line }')
  printf '%s\n' "$maps"
  now=$(date +%s)
  printf '%s\n' "$maps" | awk '$1 == "map" && !seen[$2]++ { print $2 }' | while read -r pid; do
    ps -o etimes= -o comm= -p "$pid" 2>/dev/null | while read -r age name; do
      printf 'proc %s %s %s\n' "$pid" "$((now - age))" "$name"
    done
  done
  return 0 ;;
esac
[ -r /proc/self/maps ] || { echo hidden; return 0; }
[ -r /proc/1/fd ] || echo hidden
maps=$({ case $manager in
apt) for name do
    for list in "$folder/$name.list" "$folder/$name":*.list; do
      [ ! -f "$list" ] || { printf 'L%s\n' "$name"; cat "$list"; }
    done
  done ;;
apk) awk -v names="$names" '
    BEGIN { count = split(names, all, " "); for (at = 1; at <= count; at++) wanted[all[at]] = 1 }
    { key = substr($0, 1, 2); value = substr($0, 3)
      if (key == "P:") { name = value; if (name in wanted) print "L" name }
      else if (key == "F:") folder = value
      else if (key == "R:" && name in wanted) print "/" (folder == "" ? "" : folder "/") value }' "$file" ;;
esac
printf 'maps\n'
grep -sH '^[^ ]* ..x.* /' /proc/[0-9]*/maps; } | awk '
  function plain(path) { return index(path, "/usr/") == 1 ? substr(path, 5) : path }
  function stem(path, at) { at = index(path, ".so"); return at ? substr(path, 1, at + 2) : "" }
  $0 == "maps" { over = 1; next }
  !over && /^L/ { name = substr($0, 2); next }
  !over { if (index($0, "/") == 1) { path = plain($0); mine[path] = name; if (stem(path) != "") of[stem(path)] = name }; next }
  { pid = $0; sub(/^\/proc\//, "", pid); sub(/\/.*/, "", pid)
    path = substr($0, index($0, " /") + 1); state = "new"
    if (sub(/ \(deleted\)$/, "", path)) state = "old"
    short = plain(path); owner = mine[short]
    if (owner == "" && state == "old" && stem(short) != "") owner = of[stem(short)]
    if (owner == "") next
    line = "map " pid " " state " " owner " " path
    if (!seen[line]++) print line }')
printf '%s\n' "$maps"
ticks=$(getconf CLK_TCK 2>/dev/null) || ticks=100
booted=
while read -r word value rest; do
  [ "$word" != btime ] || booted=$value
done </proc/stat
printf '%s\n' "$maps" | awk '$1 == "map" && !seen[$2]++ { print $2 }' | while read -r pid; do
  line=$({ LC_ALL=C tr '\000-\037' ' ' <"/proc/$pid/stat"; } 2>/dev/null)
  [ -n "$line" ] || [ -d "/proc/$pid" ] || continue
  name=${line#*\(}
  name=${name%\)*}
  set -f
  set -- ${line##*\)}
  set +f
  start=-
  case ${20:-x}${booted:-x} in *[!0-9]*) ;; *) start=$((booted + ${20} / ticks)) ;; esac
  printf 'proc %s %s %s\n' "$pid" "$start" "$name"
done
return 0
}
"#,
};
