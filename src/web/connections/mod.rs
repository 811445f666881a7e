//! Connections of a web server, bounded in number and in time, so that strangers who only hold them keep nobody out.

mod book;
mod io;

pub use book::{Awaiting, Connection, Connections, Serving};
pub use io::{BoxedIo, Guarded};
