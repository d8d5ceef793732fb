//! Takes files out of what they are packed in: `.xz`, `.gz`, `.zip`, `.tar`, told by their first bytes,
//! also one in the other (`.tar.gz`). Every size is capped while it grows, never by what a header says.

use std::io::{Cursor, Read};

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

/// The largest document, decompressed, in bytes. VuXML has 9 MB, OSV's largest record 2 MB.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The most that the documents of one file may have together, decompressed, in bytes.
pub(crate) const ARCHIVE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// The most entries of one archive; OSV's all.zip of one ecosystem has some ten thousand.
pub(crate) const ARCHIVE_ENTRIES_MAX: usize = 400_000;

/// The most memory that an xz file may ask for, in KiB (xz -9 needs 65 MiB).
const XZ_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Enough of a file to see whether it is packed, in bytes: tar's mark stands at 257.
const HEAD_BYTES: u64 = 512;

/// How deep containers may be nested: `.tar.gz` is 2.
const NESTING_MAX: usize = 3;

/// A file taken out: its name in the archive (empty if the file is not an archive) and its bytes.
pub(crate) struct Unpacked {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Takes out every file, in the archive's order.
///
/// # Errors
/// A sentence for people; nothing of the file is used then, for half an archive looks like a feed that
/// lost its entries.
pub(crate) fn unpack(bytes: Vec<u8>) -> Result<Vec<Unpacked>, String> {
    open(bytes, NESTING_MAX)
}

fn open(bytes: Vec<u8>, nesting: usize) -> Result<Vec<Unpacked>, String> {
    if !is_packed(&bytes) {
        return Ok(vec![Unpacked { name: String::new(), bytes }]);
    }
    let nesting = nesting.checked_sub(1).ok_or_else(|| format!("packed more than {NESTING_MAX} times"))?;
    match &bytes[..] {
        [0x1f, 0x8b, ..] => open(decompress(MultiGzDecoder::new(&bytes[..]), DOCUMENT_BYTES_MAX)?, nesting),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let reader = XzReader::new_mem_limit(&bytes[..], true, XZ_MEMORY_KIB_MAX);
            open(decompress(reader, DOCUMENT_BYTES_MAX)?, nesting)
        }
        [b'P', b'K', 3 | 5, 4 | 6, ..] => unzip(&bytes),
        _ => untar(&bytes),
    }
}

/// Says whether the bytes are packed in a way that [`unpack`] knows.
pub(crate) fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
        || bytes.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0])
        || bytes.starts_with(b"PK\x03\x04")
        || bytes.starts_with(b"PK\x05\x06")
        || bytes.get(257..262) == Some(b"ustar")
}

/// Decompresses a document up to its limit, or an archive up to that of archives.
fn decompress(mut reader: impl Read, document_bytes_max: u64) -> Result<Vec<u8>, String> {
    let fail = |error| format!("cannot unpack: {error}");
    let mut head = Vec::new();
    reader.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(fail)?;
    let limit = if is_packed(&head) { ARCHIVE_BYTES_MAX } else { document_bytes_max };
    read_capped(Cursor::new(head).chain(reader), limit)
}

fn read_capped(reader: impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read =
        reader.take(limit + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot unpack: {error}"))?;
    if u64::try_from(read).is_ok_and(|read| read > limit) {
        return Err(format!("larger than {limit} bytes when unpacked"));
    }
    Ok(bytes)
}

/// Collects entries under the caps.
#[derive(Default)]
struct Entries {
    entries: Vec<Unpacked>,
    bytes: u64,
}

impl Entries {
    fn add(&mut self, name: String, reader: impl Read) -> Result<(), String> {
        if self.entries.len() >= ARCHIVE_ENTRIES_MAX {
            return Err(format!("more than {ARCHIVE_ENTRIES_MAX} entries"));
        }
        let limit = DOCUMENT_BYTES_MAX.min(ARCHIVE_BYTES_MAX.saturating_sub(self.bytes));
        let bytes = read_capped(reader, limit).map_err(|error| format!("{name}: {error}"))?;
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.entries.push(Unpacked { name, bytes });
        Ok(())
    }
}

fn unzip(bytes: &[u8]) -> Result<Vec<Unpacked>, String> {
    let fail = |error: zip::result::ZipError| format!("cannot unpack the zip: {error}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(fail)?;
    let mut entries = Entries::default();
    for position in 0..archive.len() {
        let file = archive.by_index(position).map_err(fail)?;
        if file.is_file() {
            let name = file.name().map_err(fail)?.into_owned();
            entries.add(name, file)?;
        }
    }
    Ok(entries.entries)
}

fn untar(bytes: &[u8]) -> Result<Vec<Unpacked>, String> {
    let fail = |error: std::io::Error| format!("cannot unpack the tar: {error}");
    let mut archive = tar::Archive::new(bytes);
    let mut entries = Entries::default();
    for entry in archive.entries().map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            entries.add(name, entry)?;
        }
    }
    Ok(entries.entries)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("gzip in memory")
    }

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, *bytes).expect("tar in memory");
        }
        builder.into_inner().expect("tar in memory")
    }

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file(*name, options).expect("zip in memory");
            writer.write_all(bytes).expect("zip in memory");
        }
        writer.finish().expect("zip in memory").into_inner()
    }

    #[track_caller]
    fn check(bytes: Vec<u8>, expected: &[(&str, &[u8])]) {
        let unpacked = unpack(bytes).expect("it can be unpacked");
        let shown: Vec<_> = unpacked.iter().map(|it| (it.name.as_str(), &it.bytes[..])).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn containers_are_told_by_content() {
        let files: &[(&str, &[u8])] = &[("b/x.json", b"{}"), ("a.json", b"[]")];
        check(b"plain".to_vec(), &[("", b"plain")]);
        check(Vec::new(), &[("", b"")]);
        check(gzip(b"plain"), &[("", b"plain")]);
        check([gzip(b"pl"), gzip(b"ain")].concat(), &[("", b"plain")]);
        check(tar(files), files);
        check(gzip(&tar(files)), files);
        check(zip(files), files);
    }

    #[test]
    fn bombs_and_broken_files_are_errors() {
        let nested = (0..5).fold(b"x".to_vec(), |bytes, _| gzip(&bytes));
        assert!(unpack(nested).is_err());
        let cut = gzip(&b"text".repeat(100));
        assert!(unpack(cut[..cut.len() - 9].to_vec()).is_err());
        assert!(read_capped(&b"12345"[..], 4).is_err());
        assert!(read_capped(&b"1234"[..], 4).is_ok());
        assert!(
            decompress(&[b'x'; 1_000][..], 999).is_err() && decompress(&[b'x'; 1_000][..], 1_000).is_ok()
        );
        let archive = tar(&[("a", &[b'x'; 2_000])]);
        assert_eq!(decompress(&archive[..], 1_000), Ok(archive.clone()), "an archive has a limit of its own");
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(
            magic in prop::sample::select(vec![&b"\x1f\x8b\x08"[..], b"\xfd7zXZ\0", b"PK\x03\x04", b"PK\x05\x06", b""]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            drop(unpack([magic, &rest].concat()));
        }

        #[test]
        fn cut_archives_are_answered(at in 0_usize..2000) {
            for whole in [zip(&[("a", b"text")]), tar(&[("a", b"text")]), gzip(&tar(&[("a", b"text")]))] {
                drop(unpack(whole[..at.min(whole.len())].to_vec()));
            }
        }
    }
}
