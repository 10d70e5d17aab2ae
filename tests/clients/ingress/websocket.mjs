// The npm package ws against an app behind the ingress: node websocket.mjs ADDRESS HOST
import WebSocket from "ws";

const [address, host] = process.argv.slice(2);
const messages = ["one", "zwei", Buffer.from([0, 1, 2]), "x".repeat(1000000)];
const socket = new WebSocket(`ws://${address}/socket`, { headers: { Host: host }, handshakeTimeout: 20000 });
const patience = setTimeout(() => fail("no answer within 30 s"), 30000);
let next = 0;

function fail(why) {
  console.error(why);
  process.exit(1);
}

socket.on("open", () => socket.send(messages[0]));
socket.on("error", (error) => fail(`the WebSocket broke: ${error}`));
socket.on("message", (came) => {
  if (!came.equals(Buffer.from(messages[next]))) fail(`message ${next} came back as something else`);
  next += 1;
  if (next < messages.length) socket.send(messages[next]);
  else socket.ping("are you there");
});
socket.on("pong", () => socket.close(1000));
socket.on("close", (code) => {
  if (code !== 1000) fail(`the WebSocket ended with ${code}`);
  clearTimeout(patience);
  console.log("text, binary, a megabyte, a ping, an end in good order");
});
