// The gRPC client that Node's programs use, with the health service as it is published for it:
//   grpc_client.js TARGET CA|- ask NAME...       what Check says of each name, of many at once and of a compressed message; and List: as JSON
//   grpc_client.js TARGET CA|- watch NAME        a line per message, and the code's name at the end
'use strict';
const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const { service } = require('grpc-health-check');

const [target, ca, command, ...names] = process.argv.slice(2);
const credentials = ca === '-' ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(fs.readFileSync(ca));
const Health = grpc.makeGenericClientConstructor(service, 'Health');
const client = new Health(target, credentials);
const packed = new Health(target, credentials, { 'grpc.default_compression_algorithm': 2 });

const call = (from, method, request) => new Promise((done) => from[method](request, { deadline: Date.now() + 20000 },
  (error, reply) => done(error ? grpc.status[error.code] : reply)));
const check = async (from, name) => {
  const reply = await call(from, 'Check', { service: name });
  return reply.status || reply;
};

async function ask() {
  const said = { one: [], many: {} };
  for (const name of names)
    said.one.push(await check(client, name));
  for (const status of await Promise.all(Array.from({ length: 300 }, (_, i) => check(client, i % 2 ? 'ready' : 'nosuch'))))
    said.many[status] = (said.many[status] || 0) + 1;
  const list = await call(client, 'List', {});
  said.list = list.statuses ? Object.fromEntries(Object.entries(list.statuses).map(([k, v]) => [k, v.status])) : list;
  said.compressed = await check(packed, 'x'.repeat(2000));
  console.log(JSON.stringify(said));
}

function watch() {
  return new Promise((done) => {
    const stream = client.Watch({ service: names[0] });
    stream.on('data', (reply) => console.log(reply.status));
    stream.on('error', (error) => { console.log(grpc.status[error.code]); done(); });
    stream.on('end', done);
  });
}

({ ask, watch })[command]().then(() => { client.close(); packed.close(); });
