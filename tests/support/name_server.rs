//! A name server on loopback whose answers a test changes.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{RData, Record, RecordType, rdata::A},
};
use tokio::{net::UdpSocket, sync::watch};

/// What it says of a name.
#[derive(Clone)]
pub(crate) enum Answer {
    Addresses(Vec<Ipv4Addr>),
    Failure(ResponseCode),
}

/// The server. Of names that it was not told of it says that they don't exist.
#[derive(Clone)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: watch::Sender<usize>,
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = Self { address, answers: Arc::default(), asked: watch::Sender::new(0) };
        let serving = server.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let answer = serving.answer(&question).to_vec().unwrap();
                // Who asked may have gone.
                let _ = socket.send_to(&answer, from).await;
                serving.asked.send_modify(|asked| *asked += 1);
            }
        });
        server
    }

    fn answer(&self, question: &Message) -> Message {
        let query = question.queries[0].clone();
        let name = query.name().to_utf8();
        let known = self.answers.lock().unwrap().get(name.trim_end_matches('.')).cloned();
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        match known.unwrap_or(Answer::Failure(ResponseCode::NXDomain)) {
            Answer::Failure(code) => answer.metadata.response_code = code,
            Answer::Addresses(addresses) if query.query_type() == RecordType::A => {
                let record =
                    |address| Record::from_rdata(query.name().clone(), 0, RData::A(A(address)));
                answer.add_answers(addresses.into_iter().map(record).collect::<Vec<_>>());
            }
            Answer::Addresses(_) => {}
        }
        answer.add_query(query);
        answer
    }

    /// From now on this is what it says of a name.
    pub(crate) fn say(&self, name: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(name.to_owned(), answer);
    }

    /// Waits until so many more questions were answered.
    pub(crate) async fn questions(&self, count: usize) {
        let goal = *self.asked.borrow() + count;
        let mut asked = self.asked.subscribe();
        super::within("questions", asked.wait_for(|now| *now >= goal)).await.unwrap();
    }
}
