//! Unpacking piece by piece, within a bound.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use zstd::stream::{raw, zio};

use super::{Coding, failed};
use crate::error::Error;

/// The largest Zstandard window that is unpacked, as log 2 of bytes: RFC 9659 asks for no more.
const ZSTD_WINDOW: u32 = 23;

/// Brotli's buffer, in bytes.
const BROTLI_BUFFER: usize = 4 << 10;

/// Unpacks what is pushed, to at most a number of bytes.
pub struct Unpacker {
    coding: Coding,
    /// Gone once the data has ended or failed.
    decoder: Option<Decoder>,
    begun: bool,
}

enum Decoder {
    Gzip(MultiGzDecoder<Sink>),
    Deflate(ZlibDecoder<Sink>),
    Brotli(Box<brotli::DecompressorWriter<Sink>>),
    Zstd(Box<zio::Writer<Sink, raw::Decoder<'static>>>),
}

impl Unpacker {
    /// An unpacker that gives out at most `limit` bytes in all.
    ///
    /// # Errors
    /// The library found no memory.
    pub fn new(coding: Coding, limit: usize) -> Result<Self, Error> {
        let sink = Sink { bytes: Vec::new(), left: limit, limit };
        let decoder = match coding {
            Coding::Gzip => Decoder::Gzip(MultiGzDecoder::new(sink)),
            Coding::Deflate => Decoder::Deflate(ZlibDecoder::new(sink)),
            Coding::Brotli => {
                let writer = brotli::DecompressorWriter::new(sink, BROTLI_BUFFER);
                Decoder::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let mut decoder = raw::Decoder::new().map_err(failed)?;
                let window = raw::DParameter::WindowLogMax(ZSTD_WINDOW);
                decoder.set_parameter(window).map_err(failed)?;
                Decoder::Zstd(Box::new(zio::Writer::new(sink, decoder)))
            }
        };
        Ok(Self { coding, decoder: Some(decoder), begun: false })
    }

    /// Gives out at most `limit` bytes more, whatever was the limit before.
    pub fn allow(&mut self, limit: usize) {
        if let Some(decoder) = &mut self.decoder {
            let sink = decoder.sink();
            (sink.left, sink.limit) = (limit, limit);
        }
    }

    /// Takes the next bytes and gives what they unpack to.
    ///
    /// # Errors
    /// The bytes are damaged or unpack to more than the limit. After an error the unpacker is of
    /// no use.
    pub fn push(&mut self, packed: &[u8]) -> Result<Bytes, Error> {
        self.begun |= !packed.is_empty();
        self.run(|decoder| {
            let writer = decoder.writer();
            writer.write_all(packed)?;
            writer.flush()
        })
    }

    /// The rest, once there is no more to push. Nothing at all unpacks to nothing.
    ///
    /// # Errors
    /// The data end before their own end, or the rest is above the limit.
    pub fn finish(mut self) -> Result<Bytes, Error> {
        if !self.begun {
            return Ok(Bytes::new());
        }
        self.run(|decoder| match decoder {
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Deflate(decoder) => decoder.try_finish(),
            Decoder::Brotli(decoder) => decoder.close(),
            Decoder::Zstd(decoder) => decoder.finish(),
        })
    }

    fn run(&mut self, step: impl FnOnce(&mut Decoder) -> io::Result<()>) -> Result<Bytes, Error> {
        let Some(decoder) = &mut self.decoder else { return Err(damaged(self.coding)) };
        let outcome = step(decoder);
        let sink = decoder.sink();
        match outcome {
            Ok(()) => Ok(std::mem::take(&mut sink.bytes).into()),
            Err(error) => {
                let error = sink.explain(self.coding, error);
                self.decoder = None;
                Err(error)
            }
        }
    }
}

impl Decoder {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(decoder) => decoder,
            Self::Deflate(decoder) => decoder,
            Self::Brotli(decoder) => &mut **decoder,
            Self::Zstd(decoder) => &mut **decoder,
        }
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
            Self::Brotli(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.writer_mut(),
        }
    }
}

/// Where unpacked bytes go, until there are too many.
struct Sink {
    bytes: Vec<u8>,
    left: usize,
    limit: usize,
}

impl Sink {
    fn explain(&self, coding: Coding, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::QuotaExceeded {
            let name = coding.name();
            let limit = self.limit;
            return Error::too_large(format!("{name} data unpack to more than {limit} bytes"));
        }
        damaged(coding).with_source(error)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            return Err(io::ErrorKind::QuotaExceeded.into());
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn damaged(coding: Coding) -> Error {
    Error::invalid("damaged_coding", format!("these are no whole and valid {} data", coding.name()))
}
