//! tokio's `loop { select! { line, cmd, tick } }` as merged events: each source keeps its place (and, if it is no plain stream,
//! its own task), so no round loses anything and a slow handler stalls no source. EXPECT: "hello", "bye", then "lines=2 commands=1"
#![expect(dead_code, reason = "the program shows less than a real one would use")]
use async_cancel::{OrCancelled as _, interval};
use async_combinators::{merge, until_end};
use async_scope::{async_fn, scope};
use async_trait_core::items;
use std::{io, time::Duration};
use tokio::{io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader}, net::TcpStream, sync::mpsc};
enum Command { Say(String), Quit }
enum Event { Line(io::Result<String>), Hangup, Command(Command), Tick }
#[async_fn(send)]
async fn chat(sock: TcpStream, commands: mpsc::Receiver<Command>) -> io::Result<(u32, u32)> {
    let (rd, mut wr) = sock.into_split();
    scope!(|s| -> io::Result<(u32, u32)> {
        // reads in a task of its own: a half-read line stays in that task, never in a dropped branch
        let lines = s.produce(1, |tx| async move {
            let mut rd = BufReader::new(rd).lines();
            while let Ok(next) = rd.next_line().or_cancelled().await {
                let Some(line) = next.transpose() else { break };
                if tx.send(line).await.is_err() { break }
            }
        });
        let mut events = merge((
            until_end(lines.map(Event::Line), Event::Hangup),
            items(tokio_stream::wrappers::ReceiverStream::new(commands)).map(Event::Command),
            interval(Duration::from_secs(30)).map(|_| Event::Tick),
        ));
        let (mut lines, mut said) = (0, 0);
        while let Some(event) = events.next().await {
            match event {
                Event::Line(line) => { println!("{}", line?); lines += 1 }
                Event::Command(Command::Say(text)) => { wr.write_all(text.as_bytes()).await?; said += 1 }
                Event::Tick => wr.write_all(b"PING\n").await?,
                Event::Command(Command::Quit) | Event::Hangup => break,
            }
        }
        Ok((lines, said))
    }).await
}
#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut peer = TcpStream::connect(listener.local_addr()?).await?;
    let (commands, rx) = mpsc::channel(8);
    let running = tokio::spawn(runtime_glue::run(chat(listener.accept().await?.0, rx)));
    commands.send(Command::Say("hi\n".into())).await.ok();
    BufReader::new(&mut peer).read_line(&mut String::new()).await?;
    peer.write_all(b"hello\nbye\n").await?;
    drop(peer);                                              // hang-up: both lines come first
    let (lines, said) = running.await??;
    println!("lines={lines} commands={said}"); Ok(())
}
