// @aws-sdk/client-kinesis v3: a line of JSON {endpoint, operation, parameters, records} a call on
// stdin, a line of JSON an answer on stdout. Blobs are base64, times are seconds. SubscribeToShard
// answers with the events that came until it had so many records, or the shard or subscription ended.
const readline = require('node:readline')
const path = require('node:path')
const { createRequire } = require('node:module')
const load = createRequire(path.join(process.env.DIGLOT_DEPS, 'node', 'index.js'))
const sdk = load('@aws-sdk/client-kinesis')

const clients = {}
const clientAt = (endpoint) => (clients[endpoint] ??= new sdk.KinesisClient({
  endpoint, region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
}))

const TIMES = ['Timestamp', 'StreamCreationTimestamp']

function parameters(value, name) {
  if (name === 'Data') return Buffer.from(value, 'base64')
  if (TIMES.includes(name)) return new Date(value * 1000)
  if (Array.isArray(value)) return value.map((one) => parameters(one))
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, parameters(one, key)]))
  }
  return value
}

function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Date) return value.getTime() / 1000
  if (Array.isArray(value)) return value.map(plain)
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).filter(([key]) => key !== '$metadata')
      .map(([key, one]) => [key, plain(one)]))
  }
  return value
}

async function call({ endpoint, operation, parameters: given, records }) {
  const abort = new AbortController()
  const answer = await clientAt(endpoint).send(new sdk[`${operation}Command`](parameters(given)),
    { abortSignal: abort.signal })
  if (operation !== 'SubscribeToShard') return answer
  const events = []
  let left = records
  try {
    for await (const { SubscribeToShardEvent: event } of answer.EventStream) {
      if (!event) continue
      events.push(event)
      left -= event.Records.length
      if (left <= 0) break
    }
  } finally {
    abort.abort()
  }
  return { Events: events }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer
    try {
      answer = plain(await call(JSON.parse(line)))
    } catch (error) {
      answer = error.$fault ? { Error: [error.name, error.message] } : { Failure: String(error.stack) }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

main()
