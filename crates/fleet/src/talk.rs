//! A script that is talked with while it runs.

use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The pieces of output that may wait to be read.
const OUTPUT_PIECES_MAX: usize = 16;
/// The pieces of input that may wait to be sent.
const INPUT_PIECES_MAX: usize = 4;

/// The script's side: what it prints goes into `output`, and what comes from `input` follows the script
/// on its standard input, until `input` ends. Where nobody takes the output any more by then, the end of the script
/// need not be waited for.
#[derive(Debug)]
pub struct Talk {
    /// Takes standard output, in pieces.
    pub output: Sender<Vec<u8>>,
    /// Gives what follows the script.
    pub input: Receiver<Vec<u8>>,
}

impl Talk {
    /// Makes one, with the other side's ends: what was printed, and what to say.
    pub fn new() -> (Self, Receiver<Vec<u8>>, Sender<Vec<u8>>) {
        let (output, printed) = channel(OUTPUT_PIECES_MAX);
        let (say, input) = channel(INPUT_PIECES_MAX);
        (Self { output, input }, printed, say)
    }
}
