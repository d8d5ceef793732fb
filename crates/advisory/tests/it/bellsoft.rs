//! 16,989 OSV records of a distribution that is not ours.

use std::fs;

use advisory::{FeedError, read_directory, sync};

use crate::shared::{shared, source};

#[test]
fn records_about_other_systems_are_ignored_quietly() {
    let Some(archive) = shared("advisories/osv/bellsoft-osv-database.tar.gz") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    fs::copy(archive, directory.path().join("all.tar.gz")).expect("a copy");
    let source = source(directory.path());
    assert_eq!(source.documents.len(), 16_989);
    let Err(FeedError::Empty { ignored, problems, .. }) = sync(&source) else {
        panic!("Alpaquita is not Alpine: nothing of it may be used");
    };
    assert_eq!((ignored, problems.len()), (16_989, 0));
}

#[test]
fn what_is_no_osv_record_is_reported_and_not_read() {
    let Some(samples) = shared("advisories/osv/alpine-samples") else { return };
    let found = read_directory(&samples).expect("readable");
    let [nothing] = &found[..] else { panic!("one source expected") };
    assert_eq!((nothing.feed.as_str(), nothing.documents.len()), ("unrecognised", 0));
    assert_eq!(nothing.problems.len(), fs::read_dir(samples).expect("samples").count());
}
