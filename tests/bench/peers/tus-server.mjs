// node tus-server.mjs CERT KEY FOLDER: @tus/server over HTTPS, HTTP/1.1; prints its address.
// With no key it speaks HTTP.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';

const [cert, key, directory] = process.argv.slice(2);
// Relative, because it would say http behind TLS of our own.
const relativeLocation = true;
const datastore = new FileStore({ directory });
const tus = new Server({ path: '/files', relativeLocation, datastore });
const answer = (request, response) => tus.handle(request, response);
const tls = key && { cert: readFileSync(cert), key: readFileSync(key) };
const server = tls ? https.createServer(tls, answer) : http.createServer(answer);
server.listen(0, '127.0.0.1', () => {
  console.log(`${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`);
});
