//! Streams of bytes in general: the traits `Read` and `Write`, and what is built on them.

use std::io;

use async_trait_core::{Async, async_fn};

use crate::{
    error::Incomplete,
    fs::File,
    net::{TcpStream, UnixStream},
    pipe,
};

/// A source of bytes.
///
/// Implemented by the sockets, by references to them, by pipes, and by [`Cursor`] for files.
pub trait Read: Send {
    /// Reads what is there, at least one byte: returns the number of bytes, 0 at the end or for an empty buffer.
    ///
    /// # Errors
    /// Those of the source.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if nothing was read; a count otherwise. Implementations keep that: no byte is lost.
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> impl Async<Output = io::Result<usize>> + Send;
}

/// A sink of bytes.
pub trait Write: Send {
    /// Writes what the sink takes, at least one byte: returns the number of bytes.
    ///
    /// # Errors
    /// Those of the sink.
    ///
    /// # Cancellation
    /// `Err(Cancelled)` if nothing was written; a count otherwise.
    fn write<'a>(&'a mut self, buf: &'a [u8]) -> impl Async<Output = io::Result<usize>> + Send;
}

macro_rules! streams {
    ($($(#[$doc:meta])* $name:ty: $($trait:ident)*;)*) => {$($(
        streams!(@ $trait $name);
    )*)*};
    (@ Read $name:ty) => {
        impl Read for $name {
            fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> impl Async<Output = io::Result<usize>> + Send {
                <$name>::read(self, buf)
            }
        }
        impl Read for &$name {
            fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> impl Async<Output = io::Result<usize>> + Send {
                <$name>::read(self, buf)
            }
        }
    };
    (@ Write $name:ty) => {
        impl Write for $name {
            fn write<'a>(&'a mut self, buf: &'a [u8]) -> impl Async<Output = io::Result<usize>> + Send {
                <$name>::write(self, buf)
            }
        }
        impl Write for &$name {
            fn write<'a>(&'a mut self, buf: &'a [u8]) -> impl Async<Output = io::Result<usize>> + Send {
                <$name>::write(self, buf)
            }
        }
    };
}

streams! {
    TcpStream: Read Write;
    UnixStream: Read Write;
    pipe::Reader: Read;
    pipe::Writer: Write;
}

/// A file read and written in order, from a position on.
#[derive(Debug)]
pub struct Cursor<'f> {
    file: &'f File,
    position: u64,
}

impl<'f> Cursor<'f> {
    /// Starts at `position`.
    #[must_use]
    pub const fn new(file: &'f File, position: u64) -> Self {
        Self { file, position }
    }

    /// Where the next read or write begins.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }
}

impl Read for Cursor<'_> {
    #[async_fn(send)]
    async fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read_at(buf, self.position).await?;
        self.position += bytes as u64;
        Ok(bytes)
    }
}

impl Write for Cursor<'_> {
    #[async_fn(send)]
    async fn write<'a>(&'a mut self, buf: &'a [u8]) -> io::Result<usize> {
        let bytes = self.file.write_at(buf, self.position).await?;
        self.position += bytes as u64;
        Ok(bytes)
    }
}

/// Fills `buf`.
///
/// # Errors
/// [`Incomplete`] with the number of bytes that were read: `UnexpectedEof` if the source ended early.
///
/// # Cancellation
/// [`Incomplete`] with the number of bytes that were read.
#[async_fn(send)]
pub async fn read_exact<R: Read + ?Sized>(reader: &mut R, buf: &mut [u8]) -> Result<(), Incomplete> {
    let mut done = 0;
    while done < buf.len() {
        match reader.read(&mut buf[done..]).await {
            Ok(0) => return Err(Incomplete { done, source: io::ErrorKind::UnexpectedEof.into() }),
            Ok(bytes) => done += bytes,
            Err(source) => return Err(Incomplete { done, source }),
        }
    }
    Ok(())
}

/// Writes all of `buf`.
///
/// # Errors
/// [`Incomplete`] with the number of bytes that were written.
///
/// # Cancellation
/// [`Incomplete`] with the number of bytes that were written.
#[async_fn(send)]
pub async fn write_all<W: Write + ?Sized>(writer: &mut W, buf: &[u8]) -> Result<(), Incomplete> {
    let mut done = 0;
    while done < buf.len() {
        match writer.write(&buf[done..]).await {
            Ok(0) => return Err(Incomplete { done, source: io::ErrorKind::WriteZero.into() }),
            Ok(bytes) => done += bytes,
            Err(source) => return Err(Incomplete { done, source }),
        }
    }
    Ok(())
}

/// Appends everything up to the end to `out`: returns the number of bytes.
///
/// # Errors
/// [`Incomplete`] with the number of bytes that were appended.
///
/// # Cancellation
/// [`Incomplete`] with the number of bytes that were appended; they stay in `out`.
#[async_fn(send)]
pub async fn read_to_end<R: Read + ?Sized>(reader: &mut R, out: &mut Vec<u8>) -> Result<usize, Incomplete> {
    let start = out.len();
    let mut chunk = 8 << 10;
    loop {
        let filled = out.len();
        out.resize(filled + chunk, 0);
        let result = reader.read(&mut out[filled..]).await;
        out.truncate(filled + result.as_ref().map_or(0, |bytes| *bytes));
        match result {
            Ok(0) => return Ok(out.len() - start),
            Ok(bytes) => chunk = if bytes == chunk { (chunk * 2).min(1 << 20) } else { chunk },
            Err(source) => return Err(Incomplete { done: out.len() - start, source }),
        }
    }
}

/// Copies everything up to the end: returns the number of bytes.
///
/// # Errors
/// [`Incomplete`] with the number of bytes that were written.
///
/// # Cancellation
/// [`Incomplete`] with the number of bytes that were written. What had been read and not written yet is lost with the copy:
/// read and write yourself where it matters.
#[async_fn(send)]
pub async fn copy<R: Read + ?Sized, W: Write + ?Sized>(reader: &mut R, writer: &mut W) -> Result<usize, Incomplete> {
    let (mut buf, mut done) = (vec![0; 64 << 10], 0);
    loop {
        match reader.read(&mut buf).await {
            Ok(0) => return Ok(done),
            Ok(bytes) => match write_all(writer, &buf[..bytes]).await {
                Ok(()) => done += bytes,
                Err(error) => return Err(Incomplete { done: done + error.done, source: error.source }),
            },
            Err(source) => return Err(Incomplete { done, source }),
        }
    }
}

/// Reads ahead, so that lines and small pieces cost no operation each.
#[derive(Debug)]
pub struct BufReader<R> {
    inner: R,
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> BufReader<R> {
    /// With a buffer of 8 KiB.
    pub fn new(inner: R) -> Self {
        Self::with_capacity(8 << 10, inner)
    }

    /// With a buffer of `capacity` bytes, at least one.
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        Self { inner, buf: vec![0; capacity.max(1)], start: 0, end: 0 }
    }

    /// What was read and not taken yet.
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// The source. What is in the buffer is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// Appends the bytes up to and including `delimiter`, or up to the end, to `out`: returns their number.
    ///
    /// # Errors
    /// [`Incomplete`] with the number of bytes that were appended.
    ///
    /// # Cancellation
    /// [`Incomplete`] with the number of bytes that were appended; they stay in `out`, so that calling again goes on.
    #[async_fn(send)]
    pub async fn read_until(&mut self, delimiter: u8, out: &mut Vec<u8>) -> Result<usize, Incomplete> {
        let mut done = 0;
        loop {
            let found = self.buffer().iter().position(|byte| *byte == delimiter);
            let take = found.map_or(self.end - self.start, |place| place + 1);
            out.extend_from_slice(&self.buf[self.start..self.start + take]);
            self.start += take;
            done += take;
            if found.is_some() {
                return Ok(done);
            }
            match self.inner.read(&mut self.buf).await {
                Ok(0) => return Ok(done),
                Ok(bytes) => (self.start, self.end) = (0, bytes),
                Err(source) => return Err(Incomplete { done, source }),
            }
        }
    }

    /// The lines, one after the other.
    pub fn lines(self) -> Lines<R> {
        Lines { reader: self, partial: Vec::new() }
    }
}

impl<R: Read> Read for BufReader<R> {
    #[async_fn(send)]
    async fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            if buf.len() >= self.buf.len() {
                return self.inner.read(buf).await;
            }
            (self.start, self.end) = (0, 0);
            self.end = self.inner.read(&mut self.buf).await?;
        }
        let bytes = buf.len().min(self.end - self.start);
        buf[..bytes].copy_from_slice(&self.buf[self.start..self.start + bytes]);
        self.start += bytes;
        Ok(bytes)
    }
}

/// The lines of a [`BufReader`].
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    /// What was read of a line when the read was stopped.
    partial: Vec<u8>,
}

impl<R: Read> Lines<R> {
    /// The next line without its end (`\n` or `\r\n`), or `None` at the end.
    ///
    /// # Errors
    /// Those of the source, and `InvalidData` for a line that is not UTF-8.
    ///
    /// # Cancellation
    /// `Err(Cancelled)`; what was read of the line is kept for the next call.
    #[async_fn(send)]
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        self.reader.read_until(b'\n', &mut self.partial).await?;
        let mut line = std::mem::take(&mut self.partial);
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        String::from_utf8(line).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
