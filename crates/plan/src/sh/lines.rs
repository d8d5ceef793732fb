//! Lines, blocks and text within files. awk gets patterns through its environment, where nothing is
//! special but the pattern's own characters (POSIX extended regular expressions).

use super::Tool;
use super::files::{NEW_BESIDE, REPLACEABLE, SPARE, TAKE_PLACE};

/// `line_state PATH PATTERN` prints the lines that match, or `absent` where there is no such file.
pub(crate) static LINE_STATE: Tool = Tool {
    name: "line_state",
    needs: &[],
    text: r#"line_state() {
[ -f "$1" ] || { echo absent; return 0; }
PATTERN=$2 awk '$0 ~ ENVIRON["PATTERN"] { bytes += length($0) + 3; if (bytes > 65536) exit; print "= " $0 }' "$1"
}
"#,
};

/// `draft_of PATH` makes an empty file beside a file and puts its path into `new`. Of one that is there it will be told
/// later what it is to be; a new one is as it should be.
pub(super) const DRAFT_OF: Tool = Tool {
    name: "draft_of",
    needs: &[&NEW_BESIDE],
    text: r#"draft_of() {
if [ -e "$1" ]; then new_beside "$1" 0600 - -; else new_beside "$1" 0644 - -; fi
}
"#,
};

/// `rewritten PATH BACKUP VALIDATE`: the file `$new`, which `draft_of` made, takes its place. VALIDATE is sh code that
/// gets it as `$1`. A step with a backup is not taken together with others.
pub(super) const REWRITTEN: Tool = Tool {
    name: "rewritten",
    needs: &[&DRAFT_OF, &REPLACEABLE, &SPARE, &TAKE_PLACE],
    text: r#"rewritten() {
left=$mode
replaceable "$1" || { rm -f "$new"; return 1; }
spare
if [ ! -e "$1" ]; then mode=$left
elif [ -n "$2" ] && [ -n "${staging-}" ]; then alone=yes; rm -f "$new"; return 1
elif [ -n "$2" ]; then cp -p "$1" "$1.$2" || { rm -f "$new"; return 1; }
fi
take_place "$1" "$3"
}
"#,
};

/// `edit_line PATH PATTERN HOW LINE BACKUP`: HOW is `append` (where none matches), `replace` (those that
/// match, else append) or `remove`.
pub(crate) static EDIT_LINE: Tool = Tool {
    name: "edit_line",
    needs: &[&REWRITTEN],
    text: r#"edit_line() {
draft_of "$1" || return
if [ ! -e "$1" ]; then [ "$3" = remove ] || printf '%s\n' "$4" >"$new"
else PATTERN=$2 HOW=$3 LINE=$4 awk '
$0 ~ ENVIRON["PATTERN"] {
  found = 1
  if (ENVIRON["HOW"] == "remove") next
  if (ENVIRON["HOW"] == "replace") { print ENVIRON["LINE"]; next }
}
{ print }
END { if (!found && ENVIRON["HOW"] != "remove") print ENVIRON["LINE"] }' "$1" >"$new"
fi || { rm -f "$new"; return 1; }
rewritten "$1" "$5" ''
}
"#,
};

/// The awk function that replaces every match of a pattern, its replacement taken literally.
#[cfg(test)]
const REPLACE_AWK: &str = r#"function replaced(text, pattern, by,   out) {
  out = ""
  while (text != "" && match(text, pattern) && RLENGTH > 0) {
    out = out substr(text, 1, RSTART - 1) by
    text = substr(text, RSTART + RLENGTH)
  }
  return out text
}"#;

/// `replace_state PATH PATTERN BY` prints the lines that a replacement would change.
pub(crate) static REPLACE_STATE: Tool = Tool {
    name: "replace_state",
    needs: &[],
    text: r#"replace_state() {
[ -f "$1" ] || { echo absent; return 0; }
PATTERN=$2 BY=$3 awk '
function replaced(text, pattern, by,   out) {
  out = ""
  while (text != "" && match(text, pattern) && RLENGTH > 0) {
    out = out substr(text, 1, RSTART - 1) by
    text = substr(text, RSTART + RLENGTH)
  }
  return out text
}
{ new = replaced($0, ENVIRON["PATTERN"], ENVIRON["BY"]); if (new != $0 && (bytes += length($0) + 3) <= 65536) print "= " $0 }' "$1"
}
"#,
};

/// `replace_text PATH PATTERN BY BACKUP`.
pub(crate) static REPLACE_TEXT: Tool = Tool {
    name: "replace_text",
    needs: &[&REWRITTEN],
    text: r#"replace_text() {
[ -f "$1" ] || { printf 'there is no file %s\n' "$1" >&2; return 1; }
draft_of "$1" || return
PATTERN=$2 BY=$3 awk '
function replaced(text, pattern, by,   out) {
  out = ""
  while (text != "" && match(text, pattern) && RLENGTH > 0) {
    out = out substr(text, 1, RSTART - 1) by
    text = substr(text, RSTART + RLENGTH)
  }
  return out text
}
{ print replaced($0, ENVIRON["PATTERN"], ENVIRON["BY"]) }' "$1" >"$new" || { rm -f "$new"; return 1; }
rewritten "$1" "$4" ''
}
"#,
};

/// `block_state PATH BEGIN END` prints the lines between the markers, or that there are none.
pub(crate) static BLOCK_STATE: Tool = Tool {
    name: "block_state",
    needs: &[],
    text: r#"block_state() {
[ -f "$1" ] || { echo absent; return 0; }
FIRST=$2 LAST=$3 awk '
$0 == ENVIRON["FIRST"] { inside = 1; found = 1; print "block"; next }
$0 == ENVIRON["LAST"] { inside = 0; next }
inside && (bytes += length($0) + 3) <= 65536 { print "= " $0 }
END { if (!found) print "no block" }' "$1"
}
"#,
};

/// `edit_block BODY PATH BEGIN END WHERE PATTERN BACKUP`: puts the body between markers, in place of the
/// block that is there, else WHERE `before` or `after` the first line that matches, else at the `end`;
/// `remove` takes the block away.
pub(crate) static EDIT_BLOCK: Tool = Tool {
    name: "edit_block",
    needs: &[&REWRITTEN],
    text: r#"edit_block() {
draft_of "$2" || return
from=$2
[ -e "$2" ] || from=/dev/null
BODY=$1 FIRST=$3 LAST=$4 WHERE=$5 PATTERN=$6 awk '
function block(   line) {
  if (done) return
  done = 1
  if (ENVIRON["WHERE"] == "remove") return
  print ENVIRON["FIRST"]
  while ((getline line < ENVIRON["BODY"]) > 0) print line
  print ENVIRON["LAST"]
}
FNR == NR {
  if ($0 == ENVIRON["FIRST"]) { there = 1; open = 1 }
  if ($0 == ENVIRON["LAST"]) open = 0
  next
}
open { print "the block has a first line and no last one" > "/dev/stderr"; bad = 1; exit 1 }
inside { if ($0 == ENVIRON["LAST"]) inside = 0; next }
$0 == ENVIRON["FIRST"] { block(); inside = 1; next }
!there && ENVIRON["WHERE"] == "before" && !done && $0 ~ ENVIRON["PATTERN"] { block() }
{ print }
!there && ENVIRON["WHERE"] == "after" && !done && $0 ~ ENVIRON["PATTERN"] { block() }
END { if (bad) exit 1; block() }' "$from" "$from" >"$new" || { rm -f "$new"; return 1; }
rewritten "$2" "$7" ''
}
"#,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_replace_replace_alike() {
        for tool in [&REPLACE_STATE, &REPLACE_TEXT] {
            assert!(tool.text.contains(REPLACE_AWK), "{}", tool.name);
        }
    }
}
