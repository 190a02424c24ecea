//! Packing piece by piece, with a flush wherever a reader is waiting for what there is.

use std::io::Write;

use bytes::Bytes;
use flate2::write::{GzEncoder, ZlibEncoder};
use zstd::zstd_safe::CParameter;

use super::{Coding, failed};
use crate::error::Error;

/// Brotli's quality, window (log 2 of bytes) and buffer for answers that are made as they are
/// read: about as fast as gzip and somewhat smaller.
const BROTLI: (u32, u32, usize) = (4, 20, 4 << 10);

/// How much work gzip and deflate do, from 1 to 9.
const DEFLATE: flate2::Compression = flate2::Compression::new(5);

/// Zstandard's level; its own default.
const ZSTD: i32 = 3;

/// The window (log 2 of bytes) of Brotli and Zstandard where many streams may be open at once. Each
/// keeps its window for as long as it is; gzip's and deflate's has 32 KiB by nature.
const SMALL_WINDOW: u32 = 17;

/// Packs what is pushed.
///
/// ```
/// # use transom::coding::{Coding, Packer};
/// let mut packer = Packer::new(Coding::Gzip)?;
/// packer.push(b"first")?;
/// let first = packer.flush()?; // unpacks to `first` already
/// packer.push(b", then")?;
/// let rest = packer.finish()?;
/// let whole = [first, rest].concat();
/// assert_eq!(Coding::Gzip.unpack(&whole, 100)?, "first, then");
/// # Ok::<(), transom::error::Error>(())
/// ```
pub struct Packer(Encoder);

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Packer {
    /// A packer of this coding.
    ///
    /// # Errors
    /// The library found no memory.
    pub fn new(coding: Coding) -> Result<Self, Error> {
        Self::with_window(coding, None)
    }

    /// A packer that may stay for long, and needs some hundred kilobytes and not megabytes.
    ///
    /// # Errors
    /// The library found no memory.
    pub fn for_stream(coding: Coding) -> Result<Self, Error> {
        Self::with_window(coding, Some(SMALL_WINDOW))
    }

    fn with_window(coding: Coding, window_log: Option<u32>) -> Result<Self, Error> {
        let sink = Vec::new();
        Ok(Self(match coding {
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(sink, DEFLATE)),
            Coding::Deflate => Encoder::Deflate(ZlibEncoder::new(sink, DEFLATE)),
            Coding::Brotli => {
                let (quality, window, buffer) = BROTLI;
                let window = window_log.unwrap_or(window);
                let writer = brotli::CompressorWriter::new(sink, buffer, quality, window);
                Encoder::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let encoder = zstd::stream::write::Encoder::new(sink, ZSTD);
                let mut encoder = encoder.map_err(failed)?;
                if let Some(window) = window_log {
                    for parameter in [
                        CParameter::WindowLog(window),
                        CParameter::ChainLog(window - 3),
                        CParameter::HashLog(window - 2),
                    ] {
                        encoder.set_parameter(parameter).map_err(failed)?;
                    }
                }
                Encoder::Zstd(encoder)
            }
        }))
    }

    /// Takes the next bytes; what comes out waits for the next [`Self::take`] or [`Self::flush`].
    ///
    /// # Errors
    /// The library found no memory.
    pub fn push(&mut self, plain: &[u8]) -> Result<(), Error> {
        self.0.writer().write_all(plain).map_err(failed)
    }

    /// What has come out so far. Some of what was pushed may still wait for more of its kind.
    pub fn take(&mut self) -> Bytes {
        std::mem::take(self.0.sink()).into()
    }

    /// What unpacks to all that was pushed so far and not yet given out.
    ///
    /// # Errors
    /// The library found no memory.
    pub fn flush(&mut self) -> Result<Bytes, Error> {
        self.0.writer().flush().map_err(failed)?;
        Ok(self.take())
    }

    /// The rest, with the coding's own end.
    ///
    /// # Errors
    /// The library found no memory.
    pub fn finish(self) -> Result<Bytes, Error> {
        let rest = match self.0 {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Deflate(encoder) => encoder.finish(),
            // Taking the sink out is what ends the stream.
            Encoder::Brotli(encoder) => Ok((*encoder).into_inner()),
            Encoder::Zstd(encoder) => encoder.finish(),
        };
        rest.map(Bytes::from).map_err(failed)
    }
}

impl Encoder {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(encoder) => encoder,
            Self::Deflate(encoder) => encoder,
            Self::Brotli(encoder) => &mut **encoder,
            Self::Zstd(encoder) => encoder,
        }
    }

    fn sink(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Deflate(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }
}
