#!/usr/bin/env node
import { havePeers } from './peers.js';

if (havePeers(['commander'])) {
  const { main } = await import('./main.js');
  await main(process.argv);
}
