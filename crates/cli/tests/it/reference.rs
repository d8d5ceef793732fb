//! docs/reference is what the program says of itself. `IFRIT_UPDATE=1` writes the pages anew.

use std::path::Path;
use std::{env, fs};

use crate::command::Ifrit;

#[test]
fn the_generated_reference_is_fresh() {
    let pages = ["cli", "config", "diagnostics", "environment", "exit-codes", "inventory", "operations"];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let is_update = env::var_os("IFRIT_UPDATE").is_some();
    let mut stale = Vec::new();
    for page in pages {
        let rendered = Ifrit::new().run(&["reference", page]).expect_exit(0).stdout;
        let path = directory.join(format!("{page}.md"));
        if is_update {
            fs::create_dir_all(&directory).expect("docs/reference");
            fs::write(&path, &rendered).expect("reference page");
        } else if fs::read_to_string(&path).ok() != Some(rendered) {
            stale.push(page);
        }
    }
    assert_eq!(stale, Vec::<&str>::new(), "run `make docs` and commit what it changes");
}
