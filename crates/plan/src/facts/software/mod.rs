//! Software outside packages, below the directories that services declare, and what their version
//! commands print.
//!
//! Nothing that is found is run, and no interpreter of the host either: files are found by name, and
//! what is in them travels as text and is read here. Two things of a host are taken at their word:
//! a file's name, where an archive says nothing of itself, and a declared version command, which runs
//! as whoever scans.

mod command;
mod frames;
mod manifest;
mod program;
mod purl;

use model::{Software, SoftwareKind};

pub(super) use command::{VERSION_COMMAND, version};

use super::fact::Definition;
use super::faults::{Faults, quote};
use super::seen::Seen;
use frames::{FoundFile, Frames};

/// The entries taken of one host.
pub(super) const SOFTWARE_MAX: usize = 20_000;
/// The bytes of a name or a version.
const WORD_BYTES_MAX: usize = 512;

/// `found` lists files, `-xdev -H`: a declared directory may be a link, nothing below is followed, nor
/// a mounted file system. Names with a newline are left out: a line is a file. `shown` prints files
/// in frames: `F`, a letter for what it is, the path; then lines `L`, a long one goes on in `C`; `T` says
/// that the rest is too much. What the login may not read is `U`; a part ends with `E` and its letter, and
/// one without was cut. The limits are the numbers after `head`: files of a part, 3 MB of its text, and
/// of one file 64 KiB (`package.json`) or 1 MiB (the others), in find's blocks of 512 bytes.
///
/// A line of `programs` that is no path is what grep complains of: a program that may not be read.
/// Go writes its build info as lines of text into its programs, Rust the source paths of what may
/// panic; `tr` makes lines of both. (cargo-auditable's list is compressed, which no tool of every
/// system undoes.)
pub(super) const SOFTWARE: Definition = Definition {
    name: "software",
    guard: "true",
    snippet: r#"
newline='
'
found() {
find -H "$@"
}
shown() {
set --
while IFS= read -r file; do
  if [ -r "$file" ]; then set -- "$@" "$file"; else printf 'U%s\n' "$file"; fi
done
[ $# -eq 0 ] || awk -v kind="$kind" '
FNR == 1 { print "F" kind FILENAME; is_head = 1 }
kind == "P" {
  if ($0 ~ /^\r?$/) is_head = 0
  if (is_head && $0 ~ /^(Name|Version):/) print "L" substr($0, 1, 1000)
  next
}
{
  total += length($0) + 1
  if (total > 3000000) { print "T" kind; exit }
  mark = "L"; rest = $0
  do { print mark substr(rest, 1, 8000); rest = substr(rest, 8001); mark = "C" } while (rest != "")
}' "$@" || return
printf 'E%s\n' "$kind"
}
jars() {
while IFS= read -r file; do
  if [ ! -r "$file" ]; then printf 'U%s\n' "$file"; continue; fi
  printf 'FJ%s\n' "$file"
  [ ! -x /usr/bin/unzip ] || /usr/bin/unzip -p "$file" 'META-INF/maven/*/pom.properties' 2>/dev/null </dev/null |
    head -c 8192 | awk '/^(groupId|artifactId|version)=/ { print "L" substr($0, 1, 1000) }'
done
printf 'EJ\n'
}
programs() {
while IFS= read -r file; do
  case $file in /*) ;; *) printf 'U%s\n' "$file"; continue ;; esac
  printf 'FX%s\n' "$file"
  tr -c '\11\12\40-\176' '\n' <"$file" | awk '
  /^(path|mod|dep|=>)\t/ || /^\t?go1[.][0-9]+([.][0-9]+)?((rc|beta)[0-9]+)?$/ {
    if (++count <= 3000) print "L" substr($0, 1, 1000)
  }
  {
    rest = $0
    while (match(rest, /[\/]registry[\/]src[\/][^\/]+[\/][A-Za-z0-9_-]+-[0-9]+[.][0-9]+[.][0-9]+[A-Za-z0-9.+-]*[\/]/)) {
      crate = substr(rest, RSTART, RLENGTH - 1); sub(/.*[\/]/, "", crate)
      rest = substr(rest, RSTART + RLENGTH)
      if (!(crate in seen) && ++crates <= 3000) { seen[crate] = 1; print "Lcrate\t" crate }
    }
  }'
done
printf 'EX\n'
}
software() {
for path do
  shift
  if [ -d "$path" ]; then set -- "$@" "$path"; else printf 'N%s\n' "$path"; fi
done
if [ $# -eq 0 ]; then printf 'EP\nEN\nES\nEJ\nEX\n'; return; fi
trouble=$(found "$@" -xdev -maxdepth 12 -type d 2>&1 >/dev/null | head -n 1)
[ -z "$trouble" ] || printf 'U%s\n' "$trouble"
set -- "$@" -xdev -maxdepth 12 -type f ! -path "*$newline*"
kind=P
found "$@" -size -2049 \( -path '*.dist-info/METADATA' -o -path '*.egg-info/PKG-INFO' \) -print | head -n 2000 | shown
kind=N
found "$@" -size -129 -path '*/node_modules/*' -name package.json -print |
  grep -E '/node_modules/(@[^/]+/)?[^/@][^/]*/package[.]json$' | head -n 2000 | shown
kind=S
found "$@" -size -2049 \( -name '*.cdx.json' -o -name bom.json -o -name '*.spdx.json' \) -print | head -n 50 | shown
found "$@" -name '*.[jwe]ar' -print | head -n 500 | jars
found "$@" -perm -0100 -size +200 -exec grep -lE "^mod$(printf '\t')|/registry/src/" {} + 2>&1 | head -n 50 | programs
}"#,
    read: |seen, output, faults| read_software(seen, output, faults),
};

/// The most files of each part that travel: a part with as many may have more.
const PARTS: [(u8, usize); 5] = [(b'P', 2_000), (b'N', 2_000), (b'S', 50), (b'J', 500), (b'X', 50)];

/// Reads what `software` printed. A part that was cut or may not be read leaves all unknown: a list with
/// gaps would pass for the whole one. A file that cannot be understood is left out with a warning.
fn read_software(seen: &mut Seen, output: &[u8], faults: &mut Faults) {
    let frames = Frames::parse(output, faults);
    let mut found = Vec::new();
    for file in &frames.files {
        read_file(file, &mut found, faults);
    }
    for (part, most) in PARTS {
        let count = frames.files.iter().filter(|file| file.part == part).count();
        if count >= most {
            faults.ignored(format!("at most {most} files of one kind are looked at; there may be more"));
        }
    }
    for path in &frames.absent {
        faults.ignored(format!("{} is declared and is no directory on this host", quote(path)));
    }
    let is_whole = PARTS.iter().all(|(part, _)| frames.ended.contains(part));
    if !is_whole && frames.unreadable.is_empty() {
        faults.unreadable("its answer is not whole; the software outside packages is unknown");
    }
    if is_whole && frames.unreadable.is_empty() {
        seen.software.extend(found);
        seen.software_answers += 1;
    }
}

fn read_file(file: &FoundFile, found: &mut Vec<Software>, faults: &mut Faults) {
    let read = match file.part {
        b'P' => manifest::python(file),
        b'N' => manifest::npm(file),
        b'S' => manifest::sbom(file),
        b'J' => Ok(manifest::jar(file)),
        _ => Ok(program::modules(file)),
    };
    match read {
        Ok(more) => found.extend(more),
        Err(why) => faults.ignored(format!("{}: {why}", quote(&file.path))),
    }
}

/// Sorts what all facts found, each once, at most [`SOFTWARE_MAX`].
pub(super) fn finish(mut found: Vec<Software>, faults: &mut Faults) -> Vec<Software> {
    found.sort_unstable();
    found.dedup();
    if found.len() > SOFTWARE_MAX {
        let over = found.len() - SOFTWARE_MAX;
        faults.ignored(format!(
            "{over} pieces of software are beyond the limit of {SOFTWARE_MAX} and were left out"
        ));
        found.truncate(SOFTWARE_MAX);
    }
    found
}

/// Makes an entry where name and version are words.
fn entry(kind: SoftwareKind, name: &str, version: &str, purl: String, path: &str) -> Option<Software> {
    let is_word = |text: &str| text.len() <= WORD_BYTES_MAX && !text.contains(char::is_control);
    let is_good = !name.is_empty() && is_word(name) && is_word(version);
    is_good.then(|| Software {
        kind,
        name: name.to_owned(),
        version: version.to_owned(),
        purl,
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests;
