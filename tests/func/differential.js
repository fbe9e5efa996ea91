// Node's HTTP server (llhttp) on a unix socket: answers each request at once and says what it took it for.
'use strict';
const http = require('http');

const server = http.createServer((request, response) => {
  const socket = request.socket;
  socket.unanswered = (socket.unanswered || 0) + 1;
  response.on('finish', () => {
    if (--socket.unanswered === 0 && socket.refuse)
      socket.refuse();
  });
  response.writeHead(200, { 'X-Saw': `${request.method} ${request.url.replace(/[^!-~]/g, '_')}`, 'Content-Length': 0 });
  response.end();
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
// What came before in the same bytes is answered first.
const end = (socket, why) => {
  const refuse = () => {
    if (socket.writable)
      socket.write(`HTTP/1.1 400 Bad Request\r\nX-Why: ${why}\r\nConnection: close\r\n\r\n`);
    socket.destroySoon();
  };
  if (socket.unanswered)
    socket.refuse = refuse;
  else
    refuse();
};
server.on('clientError', (error, socket) => end(socket, error.code));
server.on('connect', (request, socket) => end(socket, 'a tunnel'));
server.listen(process.argv[2], 512);
