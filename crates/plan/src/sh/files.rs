//! Files, directories and links.

use super::Tool;

/// `digest PATH` puts the SHA-256 of a file into `sum`. Linux has sha256sum, FreeBSD sha256.
const DIGEST: Tool = Tool {
    name: "digest",
    needs: &[],
    text: r#"digest() {
if command -v sha256sum >/dev/null 2>&1; then sum=$(sha256sum <"$1") || return
elif command -v sha256 >/dev/null 2>&1; then sum=$(sha256 -q <"$1") || return
else sum=$(openssl dgst -sha256 -r <"$1") || return
fi
sum=${sum%% *}
}
"#,
};

/// `access PATH` puts mode (four digits), user and group into `mode`, `user` and `group`.
const ACCESS: Tool = Tool {
    name: "access",
    needs: &[],
    text: r#"access() {
about=$(stat -c '%a %U %G' "$1" 2>/dev/null) || about=$(stat -f '%Mp%Lp %Su %Sg' "$1") || return
mode=${about%% *} about=${about#* }
user=${about%% *} group=${about#* }
case $mode in
?) mode=000$mode ;;
??) mode=00$mode ;;
???) mode=0$mode ;;
esac
}
"#,
};

/// `file_state PATH WANTED` prints `TYPE MODE USER GROUP DIGEST`, or `absent`. WANTED is made of the
/// letters `m`, `u`, `g`, `c` (content); what is not wanted is `-`. A link's content is its target.
pub(crate) static FILE_STATE: Tool = Tool {
    name: "file_state",
    needs: &[&DIGEST, &ACCESS],
    text: r#"file_state() {
mode=- user=- group=- sum=-
if [ -h "$1" ]; then kind=link
elif [ -f "$1" ]; then kind=file
elif [ -d "$1" ]; then kind=directory
elif [ -e "$1" ]; then kind=other
else echo absent; return 0
fi
case $2 in *[mug]*) access "$1" || return ;; esac
case $2 in *m*) ;; *) mode=- ;; esac
case $2 in *u*) ;; *) user=- ;; esac
case $2 in *g*) ;; *) group=- ;; esac
case $2$kind in
*c*link) mode=-; sum=$(readlink "$1") || return; case $sum in *'
'*) sum=- ;; esac ;;
*c*file) digest "$1" || return ;;
*link) mode=- ;;
esac
printf '%s %s %s %s %s\n' "$kind" "$mode" "$user" "$group" "$sum"
}
"#,
};

/// `show_file PATH` prints the first 256 KiB and one byte of a plain file.
pub(crate) static SHOW_FILE: Tool = Tool {
    name: "show_file",
    needs: &[],
    text: r#"show_file() {
if [ -f "$1" ] && [ ! -h "$1" ]; then head -c 262145 "$1"; else return 66; fi
}
"#,
};

/// `tree_state PATH MODE USER GROUP` says whether anything below a directory differs; `-` = any.
pub(crate) static TREE_STATE: Tool = Tool {
    name: "tree_state",
    needs: &[],
    text: r#"tree_state() {
[ -d "$1" ] || { echo 'rest absent'; return 0; }
tree=$1 want=$2 owner=$3 owners=$4
set --
[ "$want" = - ] || set -- "$@" -o ! -type l ! -perm "$want"
[ "$owner" = - ] || set -- "$@" -o ! -user "$owner"
[ "$owners" = - ] || set -- "$@" -o ! -group "$owners"
[ $# -gt 0 ] || { echo 'rest same'; return 0; }
shift
if [ -n "$(find "$tree" \( "$@" \) -print 2>/dev/null | head -n 1)" ]; then echo 'rest differs'; else echo 'rest same'; fi
}
"#,
};

/// `flush PATH` makes it durable.
const FLUSH: Tool = Tool {
    name: "flush",
    needs: &[],
    text: r#"flush() {
if command -v fsync >/dev/null 2>&1; then fsync "$1"; else sync "$1"; fi
}
"#,
};

/// `set_access PATH MODE USER GROUP`; `-` = as it is.
pub(crate) static SET_ACCESS: Tool = Tool {
    name: "set_access",
    needs: &[],
    text: r#"set_access() {
case $3:$4 in
-:-) ;;
*:-) chown -h "$3" "$1" || return ;;
-:*) chgrp -h "$4" "$1" || return ;;
*) chown -h "$3:$4" "$1" || return ;;
esac
[ "$2" = - ] || chmod "$2" "$1"
}
"#,
};

/// `put_file BODY PATH MODE USER GROUP VALIDATE` writes a file as a whole or not at all. `-` = as the
/// file is, 0644 where there is none. VALIDATE is sh code that gets the new file as `$1`.
pub(crate) static PUT_FILE: Tool = Tool {
    name: "put_file",
    needs: &[&ACCESS, &SET_ACCESS, &FLUSH],
    text: r#"put_file() {
if [ -h "$2" ] || { [ -e "$2" ] && [ ! -f "$2" ]; }; then
  printf '%s is there and is no plain file\n' "$2" >&2
  return 1
fi
mode=0644 user=- group=-
if [ -e "$2" ]; then access "$2" || return; fi
[ "$3" = - ] || mode=$3
[ "$4" = - ] || user=$4
[ "$5" = - ] || group=$5
folder=${2%/*}
new=$(mktemp "${folder:-/}/.ifrit.XXXXXX") || return
if cat "$1" >"$new" && set_access "$new" "$mode" "$user" "$group" && flush "$new" &&
  { [ -z "$6" ] || sh -c "$6" sh "$new"; } && mv -f "$new" "$2"; then
  flush "${folder:-/}" 2>/dev/null || :
else
  rm -f "$new"
  return 1
fi
}
"#,
};

/// `make_directory PATH MODE USER GROUP RECURSIVE`; `-` = as it is, 0755 where there is none.
pub(crate) static MAKE_DIRECTORY: Tool = Tool {
    name: "make_directory",
    needs: &[&SET_ACCESS],
    text: r#"make_directory() {
if [ ! -d "$1" ]; then
  (umask 022 && mkdir -p "$1") || return
fi
if [ "$5" = recursive ]; then
  case $3:$4 in
  -:-) ;;
  *:-) chown -R "$3" "$1" || return ;;
  -:*) chgrp -R "$4" "$1" || return ;;
  *) chown -R "$3:$4" "$1" || return ;;
  esac
  [ "$2" = - ] || chmod -R "$2" "$1"
else
  set_access "$1" "$2" "$3" "$4"
fi
}
"#,
};

/// `make_link PATH TARGET USER GROUP FORCE`.
pub(crate) static MAKE_LINK: Tool = Tool {
    name: "make_link",
    needs: &[&SET_ACCESS],
    text: r#"make_link() {
if [ -e "$1" ] && [ ! -h "$1" ]; then
  [ "$5" = force ] || { printf '%s is there and is no link\n' "$1" >&2; return 1; }
  rm -rf "$1" || return
fi
ln -sfn "$2" "$1" && set_access "$1" - "$3" "$4"
}
"#,
};

/// `remove_path PATH KIND` removes what is there, if it is of that kind (`any` = whatever).
pub(crate) static REMOVE_PATH: Tool = Tool {
    name: "remove_path",
    needs: &[],
    text: r#"remove_path() {
if [ -h "$1" ]; then kind=link
elif [ -f "$1" ]; then kind=file
elif [ -d "$1" ]; then kind=directory
elif [ -e "$1" ]; then kind=other
else return 0
fi
[ "$2" = any ] || [ "$2" = "$kind" ] || { printf '%s is there and is a %s\n' "$1" "$kind" >&2; return 1; }
if [ "$kind" = directory ]; then rm -rf "$1"; else rm -f "$1"; fi
}
"#,
};

/// `make_parent PATH USER GROUP` creates the directory that a path is in, where it is missing.
pub(crate) static MAKE_PARENT: Tool = Tool {
    name: "make_parent",
    needs: &[&MAKE_DIRECTORY],
    text: r#"make_parent() {
parent=${1%/*}
[ -d "${parent:-/}" ] || make_directory "$parent" - "$2" "$3" ''
}
"#,
};

/// `touch_file PATH MODE USER GROUP`; `-` = as it is, 0644 where there is none.
pub(crate) static TOUCH_FILE: Tool = Tool {
    name: "touch_file",
    needs: &[&SET_ACCESS],
    text: r#"touch_file() {
(umask 022 && touch "$1") && set_access "$1" "$2" "$3" "$4"
}
"#,
};
