//! Files that come from elsewhere: downloads, archives, copies, folders.

use super::Tool;
use super::files::{FILE_STATE, PUT_FILE, SET_ACCESS};

/// `sum_of ALGORITHM PATH` puts a checksum into `sum`.
const SUM_OF: Tool = Tool {
    name: "sum_of",
    needs: &[],
    text: r#"sum_of() {
if command -v "$1sum" >/dev/null 2>&1; then sum=$("$1sum" <"$2") || return
elif command -v "$1" >/dev/null 2>&1; then sum=$("$1" -q <"$2") || return
else sum=$(openssl dgst "-$1" -r <"$2") || return
fi
sum=${sum%% *}
}
"#,
};

/// `age_of PATH SECONDS` puts `fresh` or `old` into `age`, by the host's own clock.
pub(super) const AGE_OF: Tool = Tool {
    name: "age_of",
    needs: &[],
    text: r#"age_of() {
since=$(stat -c %Y "$1" 2>/dev/null) || since=$(stat -f %m "$1") || return
now=$(date +%s) || return
if [ $((now - since)) -lt "$2" ]; then age=fresh; else age=old; fi
}
"#,
};

/// `download_state PATH WANTED ALGORITHM SECONDS` prints `TYPE MODE USER GROUP SUM AGE`, or what else is there.
pub(crate) static DOWNLOAD_STATE: Tool = Tool {
    name: "download_state",
    needs: &[&FILE_STATE, &SUM_OF, &AGE_OF],
    text: r#"download_state() {
state=$(file_state "$1" "$2") || return
case $state in
file\ *) ;;
*) printf '%s\n' "$state"; return 0 ;;
esac
sum=- age=-
[ -z "$3" ] || sum_of "$3" "$1" || return
[ -z "$4" ] || age_of "$1" "$4" || return
printf '%s %s %s\n' "${state% *}" "$sum" "$age"
}
"#,
};

/// `fetch_to HEADERS URL FILE PROXY INSECURE`: with curl, FreeBSD's fetch or wget.
const FETCH_TO: Tool = Tool {
    name: "fetch_to",
    needs: &[],
    text: r#"fetch_to() {
(
if [ -n "$4" ]; then
  http_proxy=$4 https_proxy=$4
  export http_proxy https_proxy
fi
if command -v curl >/dev/null 2>&1; then
  curl -sSfL --connect-timeout 30 ${5:+"--insecure"} ${1:+"-H"} ${1:+"@$1"} -o "$3" "$2"
elif [ -n "$1" ]; then
  echo 'headers need curl, which is not here' >&2
  exit 1
elif command -v fetch >/dev/null 2>&1; then fetch -q ${5:+"--no-verify-peer"} -o "$3" "$2"
elif command -v wget >/dev/null 2>&1; then wget -q ${5:+"--no-check-certificate"} -O "$3" "$2"
else
  echo 'there is none of curl, fetch and wget' >&2
  exit 1
fi
)
}
"#,
};

/// `download_file HEADERS URL PATH MODE USER GROUP ALGORITHM SUM SECONDS PROXY INSECURE FORCE`: the checksum
/// is compared before the file takes its place. A file that has it already is not fetched again.
pub(crate) static DOWNLOAD_FILE: Tool = Tool {
    name: "download_file",
    needs: &[&DOWNLOAD_STATE, &FETCH_TO, &PUT_FILE, &SET_ACCESS],
    text: r#"download_file() {
headers=$1 url=$2 path=$3 to_mode=$4 to_user=$5 to_group=$6 algorithm=$7 wanted=$8
shift 8
if [ -z "$4" ]; then
  age=-
  [ -z "$1" ] || age=fresh
  state=$(download_state "$path" '' "$algorithm" "$1") || return
  if [ "$state" = "file - - - ${wanted:--} $age" ]; then
    set_access "$path" "$to_mode" "$to_user" "$to_group"
    return
  fi
fi
fetched=$(mktemp "${path%/*}/.ifrit.XXXXXX") || return
if fetch_to "$headers" "$url" "$fetched" "$2" "$3"; then
  sum=$wanted
  [ -z "$algorithm" ] || sum_of "$algorithm" "$fetched"
  if [ "$sum" = "$wanted" ]; then put_file "$fetched" "$path" "$to_mode" "$to_user" "$to_group" ''
  else printf '%s: expected the checksum %s, got %s\n' "$url" "$wanted" "$sum" >&2; false
  fi
fi
status=$?
rm -f "$fetched"
return $status
}
"#,
};

/// `unpack ARCHIVE NAME DIRECTORY USER GROUP OPTION...`: NAME tells the format.
pub(crate) static UNPACK: Tool = Tool {
    name: "unpack",
    needs: &[],
    text: r#"unpack() {
archive=$1 kind=$2 tree=$3 owner=$4 owners=$5
shift 5
[ -d "$tree" ] || { printf '%s is no directory\n' "$tree" >&2; return 1; }
case $kind in
*.zip) unzip -o -q "$@" "$archive" -d "$tree" ;;
*.tar) tar -x "$@" -f "$archive" -C "$tree" ;;
*.tar.gz | *.tgz) tar -x -z "$@" -f "$archive" -C "$tree" ;;
*.tar.bz2 | *.tbz2) tar -x -j "$@" -f "$archive" -C "$tree" ;;
*.tar.xz | *.txz) tar -x -J "$@" -f "$archive" -C "$tree" ;;
*) tar -x --zstd "$@" -f "$archive" -C "$tree" ;;
esac || return
case $owner:$owners in
-:-) ;;
*:-) chown -R "$owner" "$tree" ;;
-:*) chgrp -R "$owners" "$tree" ;;
*) chown -R "$owner:$owners" "$tree" ;;
esac
}
"#,
};

/// `pack SOURCE ARCHIVE` makes a tar archive, which is there as a whole or not at all.
pub(crate) static PACK: Tool = Tool {
    name: "pack",
    needs: &[],
    text: r#"pack() {
[ -e "$1" ] || { printf 'there is no %s\n' "$1" >&2; return 1; }
parent=${1%/*}
fetched=$(mktemp "${2%/*}/.ifrit.XXXXXX") || return
case $2 in
*.tar) how= ;;
*.gz | *.tgz) how=-z ;;
*.bz2 | *.tbz2) how=-j ;;
*) how=-J ;;
esac
if tar -c $how -f "$fetched" -C "${parent:-/}" "./${1##*/}" && mv -f "$fetched" "$2"; then :
else
  rm -f "$fetched"
  return 1
fi
}
"#,
};

/// `move_path SOURCE TARGET OVERWRITE`.
pub(crate) static MOVE_PATH: Tool = Tool {
    name: "move_path",
    needs: &[],
    text: r#"move_path() {
if [ ! -e "$1" ] && [ ! -h "$1" ]; then
  [ -e "$2" ] || [ -h "$2" ] || { printf 'there is no %s\n' "$1" >&2; return 1; }
  return 0
fi
[ -d "${2%/*}/" ] || { printf '%s is no directory\n' "${2%/*}" >&2; return 1; }
if [ -e "$2" ] || [ -h "$2" ]; then
  [ -n "$3" ] || { printf '%s is there already\n' "$2" >&2; return 1; }
  rm -rf "$2" || return
fi
mv "$1" "$2"
}
"#,
};

/// `copy_state SOURCE TARGET` prints `same`, `differs`, `absent` or `no source`. Of a directory, what is
/// only in the target does not count.
pub(crate) static COPY_STATE: Tool = Tool {
    name: "copy_state",
    needs: &[],
    text: r#"copy_state() {
if [ ! -e "$1" ] && [ ! -h "$1" ]; then echo 'no source'
elif [ ! -e "$2" ] && [ ! -h "$2" ]; then echo absent
elif [ -h "$1" ] || [ -h "$2" ]; then
  if [ -h "$1" ] && [ -h "$2" ] && [ "$(readlink "$1")" = "$(readlink "$2")" ]; then echo same; else echo differs; fi
elif [ -d "$1" ] && [ -d "$2" ]; then
  found=$(diff -rq "$1" "$2" 2>&1 | TARGET=$2 awk '
index($0, "Only in " ENVIRON["TARGET"] ":") != 1 && index($0, "Only in " ENVIRON["TARGET"] "/") != 1 { print; exit }')
  if [ -z "$found" ]; then echo same; else echo differs; fi
elif [ -f "$1" ] && [ -f "$2" ] && cmp -s "$1" "$2"; then echo same
else echo differs
fi
}
"#,
};

/// `copy_path SOURCE TARGET OVERWRITE`. A file is there as a whole or not at all.
pub(crate) static COPY_PATH: Tool = Tool {
    name: "copy_path",
    needs: &[&COPY_STATE],
    text: r#"copy_path() {
[ -d "${2%/*}/" ] || { printf '%s is no directory\n' "${2%/*}" >&2; return 1; }
state=$(copy_state "$1" "$2") || return
case $state:$3 in
same:*) return 0 ;;
no\ source:*) printf 'there is no %s\n' "$1" >&2; return 1 ;;
differs:) printf '%s is there already and differs\n' "$2" >&2; return 1 ;;
esac
if [ -f "$1" ] && [ ! -h "$1" ]; then
  [ ! -d "$2" ] || { printf '%s is a directory\n' "$2" >&2; return 1; }
  fetched=$(mktemp "${2%/*}/.ifrit.XXXXXX") || return
  if cp -p "$1" "$fetched" && mv -f "$fetched" "$2"; then :; else rm -f "$fetched"; return 1; fi
elif [ -d "$1" ] && [ ! -h "$1" ]; then
  [ -d "$2" ] || mkdir "$2" || return
  cp -Rpf "$1/." "$2/"
else
  rm -f "$2" && cp -RP "$1" "$2"
fi
}
"#,
};

/// `sync_state DIRECTORY WANTED DELETE ./NAME...` prints what is not as a file should be, then of each file its
/// digest, and with WANTED (letters `m`, `u`, `g`) its mode, user and group. One process for all files.
pub(crate) static SYNC_STATE: Tool = Tool {
    name: "sync_state",
    needs: &[],
    text: r#"sync_state() {
[ -d "$1" ] || { echo absent; return 0; }
(
letters=$2 delete=$3
cd "$1" || exit
shift 3
if [ -n "$delete" ]; then
  { printf '%s\n' "$@"; echo; find . ! -type d -print; } | awk '
    !rest { if ($0 == "") rest = 1; else wanted[$0] = 1; next }
    !($0 in wanted) { print "extra " $0 }' | sort
fi
for path do
  shift
  if [ -h "$path" ] || { [ -e "$path" ] && [ ! -f "$path" ]; }; then printf 'other %s\n' "$path"
  elif [ -e "$path" ]; then set -- "$@" "$path"
  else printf 'absent %s\n' "$path"
  fi
done
[ $# -gt 0 ] || exit 0
if command -v sha256sum >/dev/null 2>&1; then sha256sum "$@"; else sha256 -r "$@"; fi | while read -r sum path; do
  printf '%s %s\n' "$sum" "$path"
done
[ -n "$letters" ] || exit 0
{ stat -c '%a %U %G %n' "$@" 2>/dev/null || stat -f '%Mp%Lp %Su %Sg %N' "$@"; } | while read -r mode user group path; do
  mode=${mode#0}
  case $letters in *m*) ;; *) mode=- ;; esac
  case $letters in *u*) ;; *) user=- ;; esac
  case $letters in *g*) ;; *) group=- ;; esac
  printf 'access %s %s %s %s\n' "$mode" "$user" "$group" "$path"
done
)
}
"#,
};

/// `sync_delete DIRECTORY ./NAME...` removes every file and link below a directory that is not named.
pub(crate) static SYNC_DELETE: Tool = Tool {
    name: "sync_delete",
    needs: &[],
    text: r#"sync_delete() {
(
cd "$1" || exit
shift
{ printf '%s\n' "$@"; echo; find . ! -type d -print; } | awk '
  !rest { if ($0 == "") rest = 1; else wanted[$0] = 1; next }
  !($0 in wanted) { print }' | while IFS= read -r path; do
  # A name with a newline is two lines here, and neither is there.
  rm -f "$path" || exit
done
)
}
"#,
};

/// `flags_state PATH FLAG...` prints of each flag of chflags(1) whether it is `set` or `clear`.
pub(crate) static FLAGS_STATE: Tool = Tool {
    name: "flags_state",
    needs: &[],
    text: r#"flags_state() {
flags=,$(stat -f %Sf "$1"), || return
shift
for flag do
  case $flags in *",$flag,"*) printf '%s set\n' "$flag" ;; *) printf '%s clear\n' "$flag" ;; esac
done
}
"#,
};

/// `set_flags PATH FLAGS`.
pub(crate) static SET_FLAGS: Tool =
    Tool { name: "set_flags", needs: &[], text: "set_flags() {\nchflags \"$2\" \"$1\"\n}\n" };
