//! Pages for a browser. For now: reports, each as one HTML file that needs nothing else.
//!
//! Architecture invariant: the only crate that writes HTML. Every text is escaped where it is written (`maud`), and no
//! page loads anything: no script, no font, no image of elsewhere.

mod figure;
mod report;

pub use report::report_html;
