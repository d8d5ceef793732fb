//! Git checkouts and ZFS datasets.

use super::Tool;

/// `as_user USER WORD...` runs a command as an account; `-` = as it is. The hooks and settings of a
/// repository are its owner's, so they must not run as root.
const AS_USER: Tool = Tool {
    name: "as_user",
    needs: &[],
    text: r#"as_user() {
login=$1
shift
if [ "$login" = - ] || [ "$login" = "$(id -un)" ]; then
  "$@"
  return
fi
# One quoted line: what su(1) does with further words differs.
line=
for word do
  line="$line '$(printf '%s' "$word" | sed "s/'/'\\\\''/g")'"
done
if [ -x /bin/freebsd-version ]; then su -m "$login" -c "exec env HOME=/ $line"
else su -s /bin/sh -c "exec $line" "$login"
fi
}
"#,
};

/// `git_in USER DIRECTORY WORD...` runs git in a checkout; it asks nobody for anything.
const GIT_IN: Tool = Tool {
    name: "git_in",
    needs: &[&AS_USER],
    text: r#"git_in() {
GIT_TERMINAL_PROMPT=0 GIT_SSH_COMMAND='ssh -o BatchMode=yes'
export GIT_TERMINAL_PROMPT GIT_SSH_COMMAND
git_user=$1 git_tree=$2
shift 2
as_user "$git_user" git -C "$git_tree" "$@"
}
"#,
};

/// `git_state DIRECTORY SOURCE REF PULL MODULES USER` prints whether the origin, what is checked out, the tip
/// of the remote branch and the submodules are as wanted.
pub(crate) static GIT_STATE: Tool = Tool {
    name: "git_state",
    needs: &[&GIT_IN],
    text: r#"git_state() {
[ -e "$1/.git" ] || { echo absent; return 0; }
tree=$1 login=$6 word=same
[ "$(git_in "$login" "$tree" config --get remote.origin.url)" = "$2" ] || word=other
printf 'origin %s\n' "$word"
head=$(git_in "$login" "$tree" rev-parse -q --verify HEAD 2>/dev/null)
branch=$(git_in "$login" "$tree" symbolic-ref -q --short HEAD)
word=other
if [ -z "$3" ]; then word=same
elif [ "$branch" = "$3" ]; then word=same
elif [ -z "$branch" ] && ! git_in "$login" "$tree" rev-parse -q --verify "refs/remotes/origin/$3" >/dev/null 2>&1; then
  [ "$(git_in "$login" "$tree" rev-parse -q --verify "$3^{commit}" 2>/dev/null)" != "$head" ] || word=same
fi
printf 'checkout %s\n' "$word"
if [ "$4" = pull ] && [ -n "$branch" ]; then
  tip=$(git_in "$login" "$tree" ls-remote "$2" "refs/heads/${3:-$branch}") || return
  tip=${tip%%[!0-9a-f]*}
  if [ -z "$tip" ] || [ "$tip" = "$head" ]; then echo 'tip same'; else echo 'tip behind'; fi
else echo 'tip same'
fi
word=same
if [ -n "$5" ]; then
  modules=$(git_in "$login" "$tree" submodule status ${5:+$5}) || return
  case "
$modules" in *"
-"* | *"
+"*) word=other ;; esac
fi
printf 'modules %s\n' "$word"
}
"#,
};

/// `git_checkout DIRECTORY SOURCE REF PULL MODULES USER GROUP DEPTH TAGS REBASE`: clones, or fetches and
/// checks out. A change in the checkout that git would have to overwrite is an error.
pub(crate) static GIT_CHECKOUT: Tool = Tool {
    name: "git_checkout",
    needs: &[&GIT_IN],
    text: r#"git_checkout() {
command -v git >/dev/null 2>&1 || { echo 'there is no git' >&2; return 1; }
tree=$1 source=$2 ref=$3 pull=$4 modules=$5 login=$6 group=$7
shift 7
if [ ! -e "$tree/.git" ]; then
  [ -d "$tree" ] || (umask 022 && mkdir -p "$tree") || return
  case $login:$group in
  -:-) ;;
  *:-) chown "$login" "$tree" ;;
  -:*) chgrp "$group" "$tree" ;;
  *) chown "$login:$group" "$tree" ;;
  esac || return
  git_in "$login" "$tree" clone -q --no-checkout ${1:+--no-single-branch --depth "$1"} -- "$source" . || return
  # A clone of an empty repository has nothing to check out.
  [ -n "$ref" ] || ref=$(git_in "$login" "$tree" symbolic-ref -q --short HEAD)
else
  git_in "$login" "$tree" remote set-url origin "$source" || return
  git_in "$login" "$tree" fetch -q ${2:+--tags} ${1:+--depth "$1"} origin || return
  [ -n "$ref" ] || ref=$(git_in "$login" "$tree" symbolic-ref -q --short HEAD)
fi
if [ -n "$ref" ]; then
  if git_in "$login" "$tree" rev-parse -q --verify "refs/remotes/origin/$ref" >/dev/null 2>&1; then
    git_in "$login" "$tree" checkout -q "$ref" -- || return
    if [ "$pull" = pull ]; then
      if [ -n "$3" ]; then git_in "$login" "$tree" rebase -q "refs/remotes/origin/$ref" || return
      else git_in "$login" "$tree" merge -q --ff-only "refs/remotes/origin/$ref" || return
      fi
    fi
  else
    git_in "$login" "$tree" rev-parse -q --verify "$ref^{commit}" >/dev/null 2>&1 ||
      git_in "$login" "$tree" fetch -q origin "$ref" || return
    git_in "$login" "$tree" checkout -q --detach "$ref" || return
  fi
fi
if [ -n "$modules" ]; then
  recursive=
  [ "$modules" != --recursive ] || recursive=--recursive
  git_in "$login" "$tree" submodule -q update --init $recursive || return
fi
}
"#,
};

/// `zfs_state NAME PROPERTY...` prints `there` and the values of the properties, or `absent`.
pub(crate) static ZFS_STATE: Tool = Tool {
    name: "zfs_state",
    needs: &[],
    text: r#"zfs_state() {
dataset=$1
shift
zfs list -H -o name "$dataset" >/dev/null 2>&1 || { echo absent; return 0; }
echo there
for property do
  value=$(zfs get -H -o value "$property" "$dataset") || return
  printf '%s=%s\n' "$property" "$value"
done
}
"#,
};

/// `set_dataset NAME KIND RECURSIVE SPARSE SIZE PROPERTY=VALUE...`: KIND is `dataset` or `snapshot`.
pub(crate) static SET_DATASET: Tool = Tool {
    name: "set_dataset",
    needs: &[],
    text: r#"set_dataset() {
dataset=$1 kind=$2 recursive=$3 sparse=$4 size=$5
shift 5
if zfs list -H -o name "$dataset" >/dev/null 2>&1; then
  [ $# -eq 0 ] || zfs set "$@" "$dataset"
  return
fi
for pair do
  shift
  set -- "$@" -o "$pair"
done
if [ "$kind" = snapshot ]; then zfs snapshot ${recursive:+-r} "$@" "$dataset"
else zfs create ${recursive:+-p} ${sparse:+-s} ${size:+-V "$size"} "$@" "$dataset"
fi
}
"#,
};

/// `destroy_dataset NAME RECURSIVE`.
pub(crate) static DESTROY_DATASET: Tool = Tool {
    name: "destroy_dataset",
    needs: &[],
    text: r#"destroy_dataset() {
! zfs list -H -o name "$1" >/dev/null 2>&1 || zfs destroy ${2:+-r} "$1"
}
"#,
};
