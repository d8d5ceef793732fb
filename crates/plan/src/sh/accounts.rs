//! Accounts, groups and their keys. The databases are read by the shell itself; they are changed by what
//! the host has: shadow's useradd, FreeBSD's pw, busybox's adduser.

use super::Tool;
use super::files::{PUT_FILE, SET_ACCESS};

/// `find_user NAME` puts the fields of passwd(5) into `uid`, `gid`, `comment`, `home`, `shell`.
const FIND_USER: Tool = Tool {
    name: "find_user",
    needs: &[],
    text: r#"find_user() {
while IFS=: read -r name pass uid gid comment home shell; do
  [ "$name" = "$1" ] && return 0
done </etc/passwd
return 1
}
"#,
};

/// `user_state NAME FIELDS EXACT GROUP...` prints `user`, then of the FIELDS `u` (uid), `g` (primary
/// group), `h` (home), `s` (shell), `c` (comment) one line each, then those of the groups that it is a
/// member of, and with EXACT the others too; or `absent`.
pub(crate) static USER_STATE: Tool = Tool {
    name: "user_state",
    needs: &[&FIND_USER],
    text: r#"user_state() {
find_user "$1" || { echo absent; return 0; }
wanted=$1 fields=$2 exact=$3
shift 3
echo user
case $fields in *u*) printf 'uid %s\n' "$uid" ;; esac
case $fields in *g*)
  primary=$gid
  while IFS=: read -r name pass number members; do
    if [ "$number" = "$gid" ]; then primary=$name; break; fi
  done </etc/group
  printf 'group %s\n' "$primary" ;;
esac
case $fields in *h*) printf 'home %s\n' "$home" ;; esac
case $fields in *s*) printf 'shell %s\n' "$shell" ;; esac
case $fields in *c*) printf 'comment %s\n' "$comment" ;; esac
member= others=
while IFS=: read -r name pass number members; do
  case ,$members, in *",$wanted,"*) ;; *) continue ;; esac
  case " $* " in *" $name "*) member="$member $name" ;; *) others="$others $name" ;; esac
done </etc/group
for group do
  case " $member " in *" $group "*) printf 'in %s\n' "$group" ;; esac
done
[ -z "$exact" ] || printf 'others%s\n' "$others"
}
"#,
};

/// `group_state NAME GID` prints `group`, with GID its number; or `absent`.
pub(crate) static GROUP_STATE: Tool = Tool {
    name: "group_state",
    needs: &[],
    text: r#"group_state() {
while IFS=: read -r name pass number members; do
  if [ "$name" = "$1" ]; then
    if [ -n "$2" ]; then printf 'group %s\n' "$number"; else echo group; fi
    return 0
  fi
done </etc/group
echo absent
}
"#,
};

/// `make_group NAME GID SYSTEM` creates or changes a group.
pub(crate) static MAKE_GROUP: Tool = Tool {
    name: "make_group",
    needs: &[&GROUP_STATE],
    text: r#"make_group() {
name_=$1 gid_=$2 system_=$3
if [ "$(group_state "$1" '')" = absent ]; then
  if command -v groupadd >/dev/null 2>&1; then
    set -- groupadd
    [ -z "$gid_" ] || set -- "$@" -g "$gid_"
    [ -z "$system_" ] || set -- "$@" -r
    "$@" "$name_"
  elif command -v pw >/dev/null 2>&1; then
    set -- pw groupadd -n "$name_"
    [ -z "$gid_" ] || set -- "$@" -g "$gid_"
    "$@"
  else
    set -- addgroup
    [ -z "$gid_" ] || set -- "$@" -g "$gid_"
    [ -z "$system_" ] || set -- "$@" -S
    "$@" "$name_"
  fi
elif [ -n "$gid_" ]; then
  if command -v groupmod >/dev/null 2>&1; then groupmod -g "$gid_" "$name_"
  elif command -v pw >/dev/null 2>&1; then pw groupmod -n "$name_" -g "$gid_"
  else echo 'groupmod is not there: install the package shadow first' >&2; return 1
  fi
fi
}
"#,
};

/// `remove_group NAME`.
pub(crate) static REMOVE_GROUP: Tool = Tool {
    name: "remove_group",
    needs: &[],
    text: r#"remove_group() {
if command -v groupdel >/dev/null 2>&1; then groupdel "$1"
elif command -v pw >/dev/null 2>&1; then pw groupdel -n "$1"
else delgroup "$1"
fi
}
"#,
};

/// `make_user NAME UID GROUP HOME SHELL COMMENT SYSTEM CREATE_HOME EXACT GROUP...` creates or changes an
/// account; what is empty is left to the host or left as it is.
pub(crate) static MAKE_USER: Tool = Tool {
    name: "make_user",
    needs: &[&FIND_USER],
    text: r#"make_user() {
name_=$1 uid_=$2 group_=$3 home_=$4 shell_=$5 comment_=$6 system_=$7 create_=$8 exact_=$9
shift 9
groups_=
for group do groups_="$groups_${groups_:+,}$group"; done
exists_=
if find_user "$name_"; then exists_=1; fi
if command -v useradd >/dev/null 2>&1; then
  set --
  [ -z "$uid_" ] || set -- "$@" -u "$uid_"
  [ -z "$group_" ] || set -- "$@" -g "$group_"
  [ -z "$home_" ] || set -- "$@" -d "$home_"
  [ -z "$shell_" ] || set -- "$@" -s "$shell_"
  [ -z "$comment_" ] || set -- "$@" -c "$comment_"
  if [ -n "$exists_" ]; then
    if [ -n "$groups_$exact_" ]; then
      [ -n "$exact_" ] || set -- "$@" -a
      set -- "$@" -G "$groups_"
    fi
    [ $# -eq 0 ] || usermod "$@" "$name_"
  else
    [ -z "$groups_" ] || set -- "$@" -G "$groups_"
    [ -z "$system_" ] || set -- "$@" -r
    if [ -n "$create_" ]; then set -- "$@" -m; else set -- "$@" -M; fi
    useradd "$@" "$name_"
  fi
elif command -v pw >/dev/null 2>&1; then
  verb_=useradd
  [ -z "$exists_" ] || verb_=usermod
  if [ -n "$exists_" ] && [ -n "$groups_" ] && [ -z "$exact_" ]; then
    for group do pw groupmod -n "$group" -m "$name_" || return; done
    groups_=
  fi
  set -- pw "$verb_" -n "$name_"
  [ -z "$uid_" ] || set -- "$@" -u "$uid_"
  [ -z "$group_" ] || set -- "$@" -g "$group_"
  [ -z "$home_" ] || set -- "$@" -d "$home_"
  [ -z "$shell_" ] || set -- "$@" -s "$shell_"
  [ -z "$comment_" ] || set -- "$@" -c "$comment_"
  [ -z "$groups_$exact_" ] || set -- "$@" -G "$groups_"
  [ -z "$create_" ] || set -- "$@" -m
  "$@"
else
  if [ -z "$exists_" ]; then
    set -- adduser -D
    [ -z "$uid_" ] || set -- "$@" -u "$uid_"
    [ -z "$group_" ] || set -- "$@" -G "$group_"
    [ -z "$home_" ] || set -- "$@" -h "$home_"
    [ -z "$shell_" ] || set -- "$@" -s "$shell_"
    [ -z "$comment_" ] || set -- "$@" -g "$comment_"
    [ -z "$system_" ] || set -- "$@" -S
    [ -n "$create_" ] || set -- "$@" -H
    "$@" "$name_" || return
  else
    for pair in "u$uid_=$uid" "h$home_=$home" "s$shell_=$shell" "c$comment_=$comment"; do
      want_=${pair%%=*}
      want_=${want_#?}
      if [ -n "$want_" ] && [ "$want_" != "${pair#*=}" ]; then
        echo 'usermod is not there: install the package shadow first' >&2
        return 1
      fi
    done
  fi
  while [ -n "$groups_" ]; do
    addgroup "$name_" "${groups_%%,*}" || return
    case $groups_ in *,*) groups_=${groups_#*,} ;; *) groups_= ;; esac
  done
fi
}
"#,
};

/// `remove_user NAME HOME` removes an account, with HOME its home directory too.
pub(crate) static REMOVE_USER: Tool = Tool {
    name: "remove_user",
    needs: &[],
    text: r#"remove_user() {
if command -v userdel >/dev/null 2>&1; then
  if [ -n "$2" ]; then userdel -r "$1"; else userdel "$1"; fi
elif command -v pw >/dev/null 2>&1; then
  if [ -n "$2" ]; then pw userdel -n "$1" -r; else pw userdel -n "$1"; fi
elif [ -n "$2" ]; then deluser --remove-home "$1"
else deluser "$1"
fi
}
"#,
};

/// `keys_of USER PATH` puts the path of a user's authorized keys into `keys`.
const KEYS_OF: Tool = Tool {
    name: "keys_of",
    needs: &[&FIND_USER],
    text: r#"keys_of() {
keys=$2
[ -z "$keys" ] || return 0
find_user "$1" || return 1
keys=$home/.ssh/authorized_keys
}
"#,
};

/// `keys_state USER PATH` prints the lines of a user's authorized keys, sorted as they are in the file.
pub(crate) static KEYS_STATE: Tool = Tool {
    name: "keys_state",
    needs: &[&KEYS_OF],
    text: r#"keys_state() {
keys_of "$1" "$2" && [ -f "$keys" ] || { echo absent; return 0; }
while IFS= read -r line || [ -n "$line" ]; do printf '= %s\n' "$line"; done <"$keys"
}
"#,
};

/// `put_keys BODY USER GROUP PATH EXACT`: adds the keys of the body that are not there; with EXACT the
/// file holds nothing else. Lines are compared as a whole.
pub(crate) static PUT_KEYS: Tool = Tool {
    name: "put_keys",
    needs: &[&KEYS_OF, &PUT_FILE, &SET_ACCESS],
    text: r#"put_keys() {
keys_of "$2" "$4" || { printf 'there is no user %s\n' "$2" >&2; return 1; }
owner=$2 owners=${3:--} exact=$5 body=$1
if [ "$owners" = - ]; then owners=$(id -gn "$owner") || return; fi
folder=${keys%/*}
[ -d "$folder" ] || { mkdir -p "$folder" && set_access "$folder" 0700 "$owner" "$owners"; } || return
[ ! -h "$folder" ] || { printf '%s is a link\n' "$folder" >&2; return 1; }
old=/dev/null
[ -n "$exact" ] || [ ! -f "$keys" ] || old=$keys
draft=$(mktemp "$folder/.ifrit.XXXXXX") || return
awk '!seen[$0]++ || $0 == ""' "$old" "$body" >"$draft" && put_file "$draft" "$keys" 0600 "$owner" "$owners" ''
status=$?
rm -f "$draft"
return $status
}
"#,
};
