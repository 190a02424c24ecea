//! Which events are written where, and how they look.

use std::{
    error, fmt,
    io::{self, IsTerminal},
};

use schemars::JsonSchema;
use serde::Deserialize;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{self, FilterExt, LevelFilter},
    fmt as format,
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::access;

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Observe")]
pub struct Settings {
    /// What the program's own log says: a level (`error`, `warn`, `info`, `debug`, `trace`, `off`)
    /// or a list of levels a module, such as `info,transom::upstream=debug`.
    pub log: String,
    /// How the program's own log looks.
    pub log_format: LogFormat,
    /// Whether each request gets a line of JSON on standard output.
    pub access_log: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { log: "info".into(), log_format: LogFormat::Text, access_log: false }
    }
}

/// How the program's own log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line of text an event, for people.
    #[default]
    Text,
    /// A line of JSON an event, for machines.
    Json,
}

/// Why logging can't start.
#[derive(Debug)]
pub enum InitError {
    /// `log` is neither a level nor a list of levels a module.
    Filter(String),
    /// Logging has been started before in this process.
    Twice,
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitError::Filter(text) => write!(
                f,
                "`{text}` says no level of logging; write `error`, `warn`, `info`, `debug`, \
                 `trace`, `off`, or levels a module such as `info,transom::upstream=debug`"
            ),
            InitError::Twice => f.write_str("logging has been started already"),
        }
    }
}

impl error::Error for InitError {}

/// Starts logging for the whole process: the log on standard error, the access log, if the
/// settings ask for one, on standard output.
pub fn init(settings: &Settings) -> Result<(), InitError> {
    let colours = io::stderr().is_terminal();
    subscriber(settings, colours, io::stderr, io::stdout)?
        .try_init()
        .map_err(|_| InitError::Twice)?;
    access::enable(settings.access_log);
    Ok(())
}

/// What [`init`] installs, with its two outputs.
pub fn subscriber<L, A>(
    settings: &Settings,
    colours: bool,
    log: L,
    access: A,
) -> Result<impl Subscriber + Send + Sync + 'static, InitError>
where
    L: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    A: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let levels = EnvFilter::builder()
        .with_default_directive(LevelFilter::OFF.into())
        .parse(&settings.log)
        .map_err(|_| InitError::Filter(settings.log.clone()))?;
    let own = filter::filter_fn(|event| event.target() != access::TARGET).and(levels);
    let own_layer = match settings.log_format {
        LogFormat::Text => {
            format::layer().with_writer(log).with_ansi(colours).with_filter(own).boxed()
        }
        LogFormat::Json => {
            format::layer().with_writer(log).json().flatten_event(true).with_filter(own).boxed()
        }
    };
    let requests = settings.access_log;
    let access_layer = format::layer()
        .with_writer(access)
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_level(false)
        .with_target(false)
        .with_filter(filter::filter_fn(move |event| requests && event.target() == access::TARGET));
    Ok(tracing_subscriber::registry().with(own_layer).with(access_layer))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// An output that a test can read.
    #[derive(Clone, Default)]
    struct Sheet(Arc<Mutex<Vec<u8>>>);

    impl Sheet {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Sheet {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Logs one event of each kind; gives the log and the access log.
    fn write(settings: &Settings) -> (String, String) {
        let (log, access) = (Sheet::default(), Sheet::default());
        let (log_writer, access_writer) = (log.clone(), access.clone());
        let subscriber =
            subscriber(settings, false, move || log_writer.clone(), move || access_writer.clone());
        tracing::subscriber::with_default(subscriber.unwrap(), || {
            tracing::info!(answer = 42, "serving");
            tracing::debug!("detail");
            access::tests::sample(access::emit);
        });
        (log.text(), access.text())
    }

    #[test]
    fn log_and_access_log_come_apart() {
        let (log, access) = write(&Settings { access_log: true, ..Settings::default() });
        assert!(log.contains("INFO") && log.contains("serving answer=42"), "{log}");
        assert!(!log.contains("detail") && !log.contains("bookshelf"), "{log}");
        assert_eq!((log.lines().count(), access.lines().count()), (1, 1));
        access::tests::check_sample(access.trim_end());
    }

    #[test]
    fn access_log_is_silent_unless_asked_for() {
        let (_, access) = write(&Settings::default());
        assert_eq!(access, "");
    }

    #[test]
    fn log_as_json_is_a_json_object_a_line() {
        let settings =
            Settings { log: "debug".into(), log_format: LogFormat::Json, ..Settings::default() };
        let (log, _) = write(&settings);
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["message"], &lines[0]["answer"]), (&"serving".into(), &42.into()));
    }

    #[test]
    fn log_level_that_is_none_is_refused() {
        let settings = Settings { log: "transom=loud".into(), ..Settings::default() };
        let error = subscriber(&settings, false, io::sink, io::sink).err().unwrap();
        assert!(error.to_string().contains("`transom=loud`"), "{error}");
    }
}
