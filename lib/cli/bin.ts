#!/usr/bin/env node
import { doctorCommand } from './doctor.js';
import { havePeers } from './peers.js';

const [command, ...flags] = process.argv.slice(2);
if (command === 'doctor' && flags.every((flag) => flag === '--json')) {
  doctorCommand({ json: flags.length > 0 });
} else if (havePeers(['commander'])) {
  const { main } = await import('./main.js');
  await main(process.argv);
}
