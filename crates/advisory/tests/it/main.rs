//! What the advisory room answers, held against real data and real tools.

mod alpine;
mod alpine_differences;
mod bellsoft;
mod debian;
mod feeds;
mod fixtures;
mod freebsd;
mod hostile;
mod https;
mod language;
mod matching;
mod shared;
