//! What arrives, frame by frame, and what it changes (RFC 9113 §6).

use std::task::Waker;

use bytes::BytesMut;

use super::{PING, Phase, State};
use crate::upstream::http2::{
    fault::{Broken, ErrorCode, Lost},
    frame::{self, flag, kind},
    hpack::Fields,
    settings::Settings,
    stream::{ReplyHead, Stream},
};

/// How many frames of ours that answer the peer's may wait until it reads them.
const MOST_ANSWERS: usize = 1000;

impl State {
    /// Fails if a stream was never opened, so that no frame can be about it (§5.1). The peer opens
    /// none, since it may not push.
    fn check_begun(&self, id: u32) -> Result<(), Broken> {
        if id % 2 == 1 && id < self.next {
            return Ok(());
        }
        Err(Broken::protocol("a frame on a stream that was never opened"))
    }

    /// DATA of this length has begun, padding included, of which so much is no data (§6.1).
    pub(in super::super) fn begin_data(
        &mut self,
        id: u32,
        length: usize,
        padding: usize,
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        self.check_begun(id)?;
        self.inward.receive(length)?;
        self.give_back(padding);
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.is_live()) else {
            return Ok(());
        };
        let received = match stream.phase {
            Phase::Head => Err(Broken::protocol("DATA before HEADERS")),
            Phase::Body => stream.inward.receive(length),
            Phase::Nothing => Err(AFTER_END),
        };
        if let Err(broken) = received {
            self.fail(id, broken, wakes);
        } else if padding > 0
            && let Some(increment) = stream.inward.give_back(padding)
        {
            frame::write_window_update(self.outbox.buffer(), id, increment);
        }
        self.check_answers()
    }

    /// Data of a stream, which is taken out of the buffer.
    pub(in super::super) fn take_data(
        &mut self,
        id: u32,
        buffer: &mut BytesMut,
        count: usize,
        wakes: &mut Vec<Waker>,
    ) {
        match self.streams.get_mut(&id) {
            Some(stream) if stream.phase == Phase::Body => {
                stream.pieces.append(buffer, count);
                stream.wake_reader(wakes);
            }
            _ => {
                let _ = buffer.split_to(count);
                self.give_back(count);
            }
        }
    }

    /// The reply ended with DATA.
    pub(in super::super) fn end_data(&mut self, id: u32, wakes: &mut Vec<Waker>) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.phase = Phase::Nothing;
            stream.wake_reader(wakes);
        }
    }

    /// A header block (§8.1): a head, one before the head, or trailers.
    pub(in super::super) fn take_fields(
        &mut self,
        id: u32,
        fields: Fields,
        is_end: bool,
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        self.check_begun(id)?;
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.is_live()) else {
            return Ok(());
        };
        let taken = match stream.phase {
            Phase::Head => take_head(stream, fields, is_end),
            Phase::Body => take_trailers(stream, fields, is_end),
            Phase::Nothing => Err(AFTER_END),
        };
        match taken {
            Ok(true) => stream.wake_reader(wakes),
            Ok(false) => {}
            Err(broken) => self.fail(id, broken, wakes),
        }
        self.check_answers()
    }

    /// A stream error (§5.4.2).
    fn fail(&mut self, id: u32, broken: Broken, wakes: &mut Vec<Waker>) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.lose(Lost::Misbehaved(broken.code, broken.what), wakes);
            self.write_reset(id, broken.code);
        }
    }

    /// RST_STREAM (§6.4).
    pub(in super::super) fn take_reset(
        &mut self,
        id: u32,
        payload: &[u8],
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        const WRONG: Broken = Broken::size("a RST_STREAM that is not four octets long");
        let code = ErrorCode(frame::whole_u32(payload).ok_or(WRONG)?);
        self.check_begun(id)?;
        if let Some(stream) = self.streams.get_mut(&id) {
            let is_answered = stream.phase != Phase::Head;
            stream.lose(Lost::Reset { code, is_answered }, wakes);
        }
        Ok(())
    }

    /// SETTINGS (§6.5).
    pub(in super::super) fn take_settings(
        &mut self,
        flags: u8,
        payload: &[u8],
    ) -> Result<(), Broken> {
        if flags & flag::ACK != 0 {
            return match payload {
                [] => Ok(()),
                _ => Err(Broken::size("an acknowledgement of SETTINGS that says something")),
            };
        }
        let mut settings = self.settings.clone();
        settings.apply(payload)?;
        self.follow(settings)?;
        self.is_greeted = true;
        frame::write(self.outbox.buffer(), kind::SETTINGS, flag::ACK, 0, &[]);
        self.answers += 1;
        self.check_answers()
    }

    fn follow(&mut self, settings: Settings) -> Result<(), Broken> {
        let change = i64::from(settings.initial_window) - i64::from(self.settings.initial_window);
        self.encoder.set_limit(settings.table_size);
        self.settings = settings;
        if change == 0 {
            return Ok(());
        }
        let ids: Vec<u32> = self.streams.keys().copied().collect();
        for id in ids {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.outward.shift(change)?;
            }
            self.line_up(id);
        }
        Ok(())
    }

    /// PING (§6.7).
    pub(in super::super) fn take_ping(&mut self, flags: u8, payload: &[u8]) -> Result<(), Broken> {
        if payload.len() != PING.len() {
            return Err(Broken::size("a PING that is not eight octets long"));
        }
        if flags & flag::ACK == 0 {
            frame::write(self.outbox.buffer(), kind::PING, flag::ACK, 0, payload);
            self.answers += 1;
        } else if payload == PING {
            self.awaits_pong = false;
        }
        self.check_answers()
    }

    /// GOAWAY (§6.8): calls above the last stream were not looked at; the others go on.
    pub(in super::super) fn take_goaway(
        &mut self,
        payload: &[u8],
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        const SHORT: Broken = Broken::size("a GOAWAY that is too short");
        let last = frame::read_u32(payload).ok_or(SHORT)? & 0x7fff_ffff;
        let code = payload.get(4..).and_then(frame::read_u32).ok_or(SHORT)?;
        self.going_away = Some(ErrorCode(code));
        for (_, stream) in self.streams.iter_mut().filter(|(id, _)| **id > last) {
            let is_answered = stream.phase != Phase::Head;
            stream.lose(Lost::GoingAway { code: ErrorCode(code), is_answered }, wakes);
        }
        Ok(())
    }

    /// WINDOW_UPDATE (§6.9).
    pub(in super::super) fn take_window_update(
        &mut self,
        id: u32,
        payload: &[u8],
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        const WRONG: Broken = Broken::size("a WINDOW_UPDATE that is not four octets long");
        let increment = frame::whole_u32(payload).ok_or(WRONG)? & 0x7fff_ffff;
        if id == 0 {
            return self.outward.widen(increment);
        }
        self.check_begun(id)?;
        if let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.is_live()) {
            match stream.outward.widen(increment) {
                Ok(()) => self.line_up(id),
                Err(broken) => self.fail(id, broken, wakes),
            }
        }
        self.check_answers()
    }

    /// PRIORITY, which nobody heeds (§5.3.2, §6.3).
    pub(in super::super) fn take_priority(
        &mut self,
        id: u32,
        payload: &[u8],
        wakes: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        if payload.len() != 5 {
            self.fail(id, Broken::size("a PRIORITY that is not five octets long"), wakes);
        }
        self.check_answers()
    }

    /// Fails if the peer makes us answer and doesn't read.
    fn check_answers(&self) -> Result<(), Broken> {
        if self.answers <= MOST_ANSWERS {
            return Ok(());
        }
        let what = "frames that ask for an answer, and the answers are not read";
        Err(Broken::new(ErrorCode::ENHANCE_YOUR_CALM, what))
    }
}

const AFTER_END: Broken = Broken::new(ErrorCode::STREAM_CLOSED, "a frame behind the stream's end");

/// Takes a reply's head; whether it is the final one.
fn take_head(stream: &mut Stream, fields: Fields, is_end: bool) -> Result<bool, Broken> {
    let status = check(&fields)?.ok_or(Broken::protocol("a head without a status"))?;
    if status.is_informational() {
        return match (status.as_u16(), is_end) {
            (101, _) => Err(Broken::protocol("a switch of protocols, which HTTP/2 has not")),
            (_, true) => Err(Broken::protocol("a stream that ends before its final head")),
            (_, false) => Ok(false),
        };
    }
    stream.phase = if is_end { Phase::Nothing } else { Phase::Body };
    stream.head = Some(ReplyHead { status, fields: fields.list, is_end });
    Ok(true)
}

fn take_trailers(stream: &mut Stream, fields: Fields, is_end: bool) -> Result<bool, Broken> {
    if check(&fields)?.is_some() {
        return Err(Broken::protocol("trailers with a status line"));
    }
    if !is_end {
        return Err(Broken::protocol("HEADERS in the middle of DATA that don't end the stream"));
    }
    stream.phase = Phase::Nothing;
    stream.trailers = Some(fields.list);
    Ok(true)
}

/// What is wrong with the fields is wrong with the message, which is malformed (§8.1.1).
fn check(fields: &Fields) -> Result<Option<http::StatusCode>, Broken> {
    match fields.fault {
        Some(fault) => Err(Broken::protocol(fault)),
        None => Ok(fields.status),
    }
}
