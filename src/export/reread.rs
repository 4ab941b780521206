//! The web file in force: looked at with every connection and request, read again when it or a file it names has changed, as
//! Prometheus's own exporters do. What cannot be read, or would open the door to everybody, leaves the old in force.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use hyper::header::HeaderMap;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::auth::Auth;
use super::web::{Files, WebConfig};

/// How long a request waits for a look at the files. A look takes microseconds, and milliseconds if something has changed; on
/// a disk that hangs the scrape goes on with what is in force.
const LOOK_TIME: Duration = Duration::from_secs(2);

/// What is in force at a moment.
pub(super) struct InForce {
    /// Who may see what is shown, `None` for everybody.
    pub auth: Option<Auth>,
    /// Headers to add.
    pub headers: HeaderMap,
    /// TLS for connections made from now on.
    pub tls: Option<TlsAcceptor>,
}

/// The file and what it said last.
pub(super) struct Web {
    /// The path; `None` where no file was given.
    file: Option<PathBuf>,
    /// What was looked at when it was read last, with or without success. Held while the disk is waited for, so only the
    /// threads that look may take it.
    files: Mutex<Files>,
    /// Held for a moment only.
    in_force: Mutex<Arc<InForce>>,
}

impl From<WebConfig> for Web {
    fn from(mut config: WebConfig) -> Web {
        let files = std::mem::take(&mut config.files);
        let in_force = Mutex::new(Arc::new(InForce::from(config)));
        Web { file: files.file().cloned(), files: Mutex::new(files), in_force }
    }
}

impl From<WebConfig> for InForce {
    fn from(config: WebConfig) -> InForce {
        let WebConfig { tls, users, headers, files: _ } = config;
        InForce { auth: Auth::of(users), headers, tls: tls.map(TlsAcceptor::from) }
    }
}

impl InForce {
    /// What this one asks of a client and `next` does not.
    fn more_than(&self, next: &InForce) -> Option<&'static str> {
        match (self.auth.is_some() && next.auth.is_none(), self.tls.is_some() && next.tls.is_none()) {
            (true, _) => Some("password"),
            (_, true) => Some("TLS"),
            _ => None,
        }
    }
}

impl Web {
    /// What is in force now. The files are looked at on a thread that may wait for a slow disk.
    pub async fn in_force(self: &Arc<Web>) -> Arc<InForce> {
        if self.file.is_some() {
            let own = self.clone();
            match timeout(LOOK_TIME, tokio::task::spawn_blocking(move || own.look())).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("the web file could not be looked at: {error}"),
                Err(_) => tracing::warn!("the web file's disk does not answer; what it said before stays in force"),
            }
        }
        self.now().clone()
    }

    fn now(&self) -> MutexGuard<'_, Arc<InForce>> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if something has changed.
    fn look(&self) {
        let Some(file) = &self.file else { return };
        let mut files = match self.files.try_lock() {
            Ok(files) => files,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            // Somebody looks already. Nobody waits for that: a disk that hangs holds one thread, not one a request.
            Err(TryLockError::WouldBlock) => return,
        };
        if !files.have_changed() {
            return;
        }
        let stays = "what it said before stays in force";
        match WebConfig::load(file) {
            Ok(mut config) => {
                *files = std::mem::take(&mut config.files);
                let (file, next) = (file.display(), InForce::from(config));
                // A file that is being written, or for which the disk had no room, is empty.
                if let Some(lost) = self.now().more_than(&next) {
                    tracing::error!("{file}: it asks for no {lost} any more; if that is meant, start anew: {stays}");
                    return;
                }
                *self.now() = Arc::new(next);
                tracing::info!("{file}: changed, and in force from now on");
            }
            Err(error) => {
                tracing::error!("{error}; {stays}");
                *files = error.files;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn named(user: &str) -> String {
        format!("basic_auth_users:\n  {user}: $2y$04$rOfGVVtOyJ.PA7mCv8lyQOLeQGTjSEGHdtWUjtnlnNOAqcZbXRzUC\n")
    }

    fn users(web: &Web) -> String {
        web.look();
        web.now().auth.as_ref().map_or_else(String::new, |auth| format!("{auth:?}"))
    }

    #[test]
    fn a_change_is_taken_and_a_mistake_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("web.yml");
        fs::write(&file, named("ann")).expect("written");
        let web = Web::from(WebConfig::load(&file).expect("it is right"));
        assert!(users(&web).contains("ann"));
        fs::write(&file, named("robert")).expect("written");
        assert!(users(&web).contains("robert"));
        // Of the same length and put in place at once, as editors do it.
        let fresh = folder.path().join("fresh");
        fs::write(&fresh, named("evelyn")).expect("written");
        fs::rename(&fresh, &file).expect("put in place");
        assert!(users(&web).contains("evelyn"));
        for wrong in ["", "basic_auth_user: {}\n", "basic_auth_users: {ann: secret}\n"] {
            fs::write(&file, wrong).expect("written");
            assert!(users(&web).contains("evelyn"), "the old one stays");
            assert!(!web.files.lock().expect("nobody panicked").have_changed(), "it is said once");
        }
        fs::remove_file(&file).expect("removed");
        assert!(users(&web).contains("evelyn"), "a file that is gone lets nobody in");
        fs::write(&file, named("ann")).expect("written");
        assert!(users(&web).contains("ann"));
    }

    #[test]
    fn a_new_certificate_is_taken_when_it_is_there() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/web");
        let folder = tempfile::tempdir().expect("a folder");
        let (file, certificate) = (folder.path().join("web.yml"), folder.path().join("cert.pem"));
        fs::write(&file, "").expect("written");
        let web = Web::from(WebConfig::load(&file).expect("nothing is asked for"));
        // Kept, lest another comes to lie at its address.
        let tls = || {
            web.look();
            web.now().tls.as_ref().map(|tls| tls.config().clone())
        };
        let same = |one: &Option<Arc<_>>, other: &Option<Arc<_>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        fs::copy(data.join("key.pem"), folder.path().join("key.pem")).expect("copied");
        fs::write(&file, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n").expect("written");
        assert!(tls().is_none(), "the certificate is not there yet");
        fs::copy(data.join("cert.pem"), &certificate).expect("copied");
        let first = tls();
        assert!(same(&first, &tls()), "nothing has changed");
        fs::write(&certificate, "").expect("written");
        assert!(same(&first, &tls()), "the old certificate stays");
        fs::copy(data.join("cert.pem"), &certificate).expect("copied");
        let second = tls();
        assert!(second.is_some() && !same(&first, &second), "it was read again");
        fs::write(&file, named("ann")).expect("written");
        assert!(same(&second, &tls()) && users(&web).is_empty(), "TLS is not given up");
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, fresh) = (folder.path().join("web.yml"), folder.path().join("fresh"));
        fs::write(&file, named("ann")).expect("written");
        let web = Arc::new(Web::from(WebConfig::load(&file).expect("it is right")));
        let users = async || format!("{:?}", web.in_force().await.auth);
        // Who reads a pipe waits for its writer, as for a disk that hangs.
        rustix::fs::mknodat(rustix::fs::CWD, &fresh, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        fs::rename(&fresh, &file).expect("put in place");
        assert!(users().await.contains("ann"), "it goes on after LOOK_TIME");
        assert!(users().await.contains("ann"), "it does not even look");
        let pipe = fs::OpenOptions::new().write(true).open(&file).expect("somebody reads it");
        fs::write(&fresh, named("robert")).expect("written");
        fs::rename(&fresh, &file).expect("put in place");
        drop(pipe);
        let taken = async { while !users().await.contains("robert") {} };
        timeout(Duration::from_secs(60), taken).await.expect("the next look takes what is there now");
    }
}
