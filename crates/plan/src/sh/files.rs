//! Files, directories and links.

use super::Tool;

/// `same_text PATH SIZE` says whether a file of so many bytes is the text at hand, without a process. A shell drops
/// NULs, so the sizes must be the same.
const SAME_TEXT: Tool = Tool {
    name: "same_text",
    needs: &[],
    text: r#"same_text() {
[ -n "${ifrit_text_sum-}" ] && [ "$2" = "${#ifrit_text}" ] || return
text_=
while IFS= read -r line_; do
  text_="$text_$line_
"
done <"$1"
[ "$text_$line_" = "$ifrit_text" ]
}
"#,
};

/// `digest PATH SIZE` puts the SHA-256 of a file into `sum`. Linux has sha256sum, FreeBSD sha256.
const DIGEST: Tool = Tool {
    name: "digest",
    needs: &[&SAME_TEXT],
    text: r#"digest() {
case ${known_sums-} in
*" $1
"*)
  sum=${known_sums%%" $1
"*}
  sum=${sum##*"
"} ;;
*)
  if same_text "$1" "$2"; then sum=$ifrit_text_sum
  elif command -v sha256sum >/dev/null 2>&1; then sum=$(sha256sum <"$1") || return
  elif command -v sha256 >/dev/null 2>&1; then sum=$(sha256 -q <"$1") || return
  else sum=$(openssl dgst -sha256 -r <"$1") || return
  fi ;;
esac
sum=${sum%% *}
}
"#,
};

/// `know_sums PATH...` has the SHA-256 of all plain files made by one process, for `digest`. Names that could be taken
/// for something else are left out.
pub(crate) static KNOW_SUMS: Tool = Tool {
    name: "know_sums",
    needs: &[],
    text: r#"know_sums() {
for path do
  shift
  case $path in *' '* | *\\* | *'
'*) continue ;; esac
  if [ -f "$path" ] && [ ! -h "$path" ]; then set -- "$@" "$path"; fi
done
known_sums=
[ $# -gt 1 ] || return 0
if command -v sha256sum >/dev/null 2>&1; then known_sums=$(sha256sum "$@" 2>/dev/null)
else known_sums=$(sha256 -r "$@" 2>/dev/null)
fi
known_sums="$known_sums
"
}
"#,
};

/// `know_access PATH...` has one process look who may do what with all of them, for `access`.
pub(crate) static KNOW_ACCESS: Tool = Tool {
    name: "know_access",
    needs: &[],
    text: r#"know_access() {
for path do
  shift
  case $path in *' '* | *\\* | *'
'*) continue ;; esac
  if [ -e "$path" ] || [ -h "$path" ]; then set -- "$@" "$path"; fi
done
known_access=
[ $# -gt 1 ] || return 0
known_access=$(stat -c '=%n
%a %U %G %s' "$@" 2>/dev/null)
[ -n "$known_access" ] || known_access=$(stat -f '=%N%n%Mp%Lp %Su %Sg %z' "$@" 2>/dev/null)
known_access="
$known_access
"
}
"#,
};

/// `access PATH` puts mode (four digits), user, group and size into `mode`, `user`, `group` and `size`.
const ACCESS: Tool = Tool {
    name: "access",
    needs: &[],
    text: r#"access() {
case ${known_access-} in
*"
=$1
"*)
  about=${known_access#*"
=$1
"}
  about=${about%%"
"*} ;;
*) about=$(stat -c '%a %U %G %s' "$1" 2>/dev/null) || about=$(stat -f '%Mp%Lp %Su %Sg %z' "$1") || return ;;
esac
mode=${about%% *} about=${about#* } size=${about##* }
user=${about%% *} about=${about% *}
group=${about#* }
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
mode=- user=- group=- sum=- size=
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
*c*file) digest "$1" "$size" || return ;;
*link) mode=- ;;
esac
printf '%s %s %s %s %s\n' "$kind" "$mode" "$user" "$group" "$sum"
}
"#,
};

/// `show_file PATH SUM` prints the first 256 KiB and one byte of a plain file; nothing of one that is known to have
/// this SHA-256, where one is given.
pub(crate) static SHOW_FILE: Tool = Tool {
    name: "show_file",
    needs: &[&DIGEST],
    text: r#"show_file() {
[ -f "$1" ] && [ ! -h "$1" ] || return 66
case ${2:+known}${known_sums-} in
known*" $1
"*) digest "$1" ''; [ "$sum" != "$2" ] || return 0 ;;
esac
head -c 262145 "$1"
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

/// `flush PATH` makes it durable; within a step, what the journal has to say goes along.
const FLUSH: Tool = Tool {
    name: "flush",
    needs: &[],
    text: r#"flush() {
if [ -n "${ifrit_run-}" ]; then persist "$1"
elif command -v fsync >/dev/null 2>&1; then fsync "$1"
else sync "$1"
fi
}
"#,
};

/// `placed DIRECTORY`: an entry of it is another one now. Within a step, it is made durable with the journal before the
/// step's end is told.
const PLACED: Tool = Tool {
    name: "placed",
    needs: &[&FLUSH],
    text: r#"placed() {
if [ -n "${ifrit_run-}" ] && { printf '%s\n' "${1:-/}" >>"$ifrit_run/dirs"; } 2>/dev/null; then :
else flush "${1:-/}" 2>/dev/null || :
fi
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

/// `spare`: of what `user` and `group` are to be, what the new path `$new` of root is already becomes `-`.
pub(super) const SPARE: Tool = Tool {
    name: "spare",
    needs: &[],
    text: r#"spare() {
[ -O / ] || return 0
case $user in root | 0) user=- ;; esac
case $group in root | 0) [ ! -G "$new" ] || group=- ;; esac
}
"#,
};

/// `new_beside PATH MODE USER GROUP` makes an empty file beside a path, of which it puts the path into `new`, and what
/// is left to be set on it into `mode`, `user` and `group`. Its name is this step's own, so that a lost one is not left
/// when the step is taken again, and nothing that is there, a link least of all, is taken for it. Where nobody else will own it, the umask gives it its mode; else nobody else
/// reads it before all is right. Not `:`, whose failed redirection would end the shell. `careful` = its mode is set whatever the umask gave.
pub(super) const NEW_BESIDE: Tool = Tool {
    name: "new_beside",
    needs: &[&SPARE],
    text: r#"new_beside() {
new=${1%/*}/.ifrit.${run_id:-$$}.${number:-0} mode=$2 user=$3 group=$4 mask=077
case ${careful:-no}:$user:$group:$mode in
no:-:-:06[0246][0246] | no:root:-:06[0246][0246] | no:-:root:06[0246][0246] | no:root:root:06[0246][0246])
  mask=${mode#06} mask=01$((7 - ${mask%?}))$((7 - ${mask#?})) ;;
esac
umask "$mask"
set -C
{ true >"$new"; } 2>/dev/null || { rm -f "$new" && true >"$new"; }
made=$?
set +C
umask 022
[ "$made" = 0 ] || return
spare
case $mask:$user:$group in
077:*) ;;
*:-:-) mode=- ;;
*) chmod 0600 "$new" ;;
esac
}
"#,
};

/// `take_place PATH VALIDATE`: the file `$new` gets its `mode`, `user` and `group`, is made durable, and takes the place
/// of another as a whole or not at all. VALIDATE is sh code that gets the new file as `$1`. Among steps that are taken
/// together (`staging`) it waits for the others: the apply script's `stage`.
pub(super) const TAKE_PLACE: Tool = Tool {
    name: "take_place",
    needs: &[&SET_ACCESS, &FLUSH, &PLACED],
    text: r#"take_place() {
[ -z "${staging-}" ] || { stage "$1" "$2"; return; }
if set_access "$new" "$mode" "$user" "$group" && flush "$new" &&
  { [ -z "$2" ] || sh -c "$2" sh "$new"; } && mv -f "$new" "$1"; then
  placed "${1%/*}"
else
  rm -f "$new"
  return 1
fi
}
"#,
};

/// `replaceable PATH` puts what a new file in place of another is to be into `mode`, `user` and `group`: as that is,
/// 0644 where there is none. What is no plain file is not replaced.
pub(super) const REPLACEABLE: Tool = Tool {
    name: "replaceable",
    needs: &[&ACCESS],
    text: r#"replaceable() {
if [ -h "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then
  printf '%s is there and is no plain file\n' "$1" >&2
  return 1
fi
mode=0644 user=- group=-
[ ! -e "$1" ] || access "$1"
}
"#,
};

/// `put_file BODY PATH MODE USER GROUP VALIDATE` writes a file as a whole or not at all. `-` = as the
/// file is, 0644 where there is none. VALIDATE is sh code that gets the new file as `$1`.
pub(crate) static PUT_FILE: Tool = Tool {
    name: "put_file",
    needs: &[&REPLACEABLE, &NEW_BESIDE, &TAKE_PLACE],
    text: r#"put_file() {
replaceable "$2" || return
# Of a mode that is given, the probe says whether it came to be.
if [ "$3" != - ]; then mode=$3; elif [ -e "$2" ]; then careful=yes; fi
[ "$4" = - ] || user=$4
[ "$5" = - ] || group=$5
new_beside "$2" "$mode" "$user" "$group" || return
if [ -n "${ifrit_text-}" ] && [ "$1" = "$ifrit_text_of" ]; then printf '%s' "$ifrit_text" >"$new"; else cat "$1" >"$new"; fi ||
  { rm -f "$new"; return 1; }
take_place "$2" "$6"
}
"#,
};

/// `make_directory PATH MODE USER GROUP RECURSIVE`; `-` = as it is, 0755 where there is none.
pub(crate) static MAKE_DIRECTORY: Tool = Tool {
    name: "make_directory",
    needs: &[&SET_ACCESS, &SPARE, &PLACED],
    text: r#"make_directory() {
mode=$2 user=$3 group=$4
if [ ! -d "$1" ]; then
  umask 022
  case $mode in
  -) mkdir -p "$1" || return ;;
  *) mkdir -p -m "$mode" "$1" || return ;;
  esac
  new=$1
  spare
  case $user:$group:$mode in -:-:0???) mode=- ;; esac
  placed "${1%/*}"
fi
if [ "$5" = recursive ]; then
  case $user:$group in
  -:-) ;;
  *:-) chown -R "$user" "$1" || return ;;
  -:*) chgrp -R "$group" "$1" || return ;;
  *) chown -R "$user:$group" "$1" || return ;;
  esac
  [ "$mode" = - ] || chmod -R "$mode" "$1"
else
  set_access "$1" "$mode" "$user" "$group"
fi
}
"#,
};

/// `make_link PATH TARGET USER GROUP`.
pub(crate) static MAKE_LINK: Tool = Tool {
    name: "make_link",
    needs: &[&SET_ACCESS],
    text: r#"make_link() {
if [ -e "$1" ] && [ ! -h "$1" ]; then printf '%s is there and is no link\n' "$1" >&2; return 1; fi
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

/// `make_parent PATH USER GROUP` creates the directory that a path is in, where it is missing: not for a step that is
/// taken together with others, which must be `alone` for that.
pub(crate) static MAKE_PARENT: Tool = Tool {
    name: "make_parent",
    needs: &[&MAKE_DIRECTORY],
    text: r#"make_parent() {
parent=${1%/*}
[ ! -d "${parent:-/}" ] || return 0
[ -z "${staging-}" ] || { alone=yes; return 1; }
make_directory "$parent" - "$2" "$3" ''
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
