// kafkajs as a test program: node kafka.js write|read|group ADDRESS TOPIC ...; records are lines of
// text on stdin and stdout, as ../lines.py describes them.
const readline = require('node:readline')
const path = require('node:path')
const { createRequire } = require('node:module')
const load = createRequire(path.join(process.env.DIGLOT_DEPS, 'node', 'index.js'))
const { Kafka, logLevel, CompressionTypes, Partitioners } = load('kafkajs')

const b64 = (data) => (data === null || data === undefined ? '-' : Buffer.from(data).toString('base64'))
const unb64 = (text) => (text === '-' ? null : Buffer.from(text, 'base64'))

function parseWritten(line) {
  const [partition, key, value, headers] = line.split('\t')
  const record = { key: unb64(key), value: unb64(value), headers: {} }
  if (partition !== '-1') record.partition = Number(partition)
  for (const pair of headers.split(',').filter(Boolean)) {
    const [name, data] = pair.split(':')
    record.headers[Buffer.from(name, 'base64').toString()] = unb64(data)
  }
  return record
}

function formatRead(partition, message) {
  const headers = Object.entries(message.headers || {}).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map((value) => `${b64(name)}:${b64(value)}`))
  return [partition, message.offset, message.timestamp, b64(message.key), b64(message.value),
    headers.join(',')].join('\t') + '\n'
}

const kafkaAt = (address) => new Kafka({
  clientId: 'kafkajs', brokers: [address], logLevel: logLevel.NOTHING, retry: { retries: 5 },
})

async function write(address, topic, compression) {
  const records = []
  for await (const line of readline.createInterface({ input: process.stdin })) records.push(parseWritten(line))
  const producer = kafkaAt(address).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  // One send for each run of records that go to one partition: a send answers with the base offset.
  for (let from = 0; from < records.length;) {
    const { partition } = records[from]
    let to = from + 1
    let bytes = records[from].value?.length || 0
    while (partition !== undefined && to < records.length && records[to].partition === partition &&
        (bytes += records[to].value?.length || 0) < 200000) to++
    const [answer] = await producer.send({
      topic, acks: -1, messages: records.slice(from, to), compression: CompressionTypes[compression || 'None'],
    })
    for (let i = 0; i < to - from; i++) {
      process.stdout.write(`${answer.partition}\t${BigInt(answer.baseOffset) + BigInt(i)}\n`)
    }
    from = to
  }
  await producer.disconnect()
}

// Read COUNT records as a group that starts at the beginning, commit, and leave.
async function group(address, topic, name, count) {
  const consumer = kafkaAt(address).consumer({ groupId: name, sessionTimeout: 10000, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  let left = Number(count)
  const next = {}
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (left <= 0) return
        process.stdout.write(formatRead(partition, message))
        next[partition] = (BigInt(message.offset) + 1n).toString()
        if (--left === 0) resolve()
      },
    }).catch(reject)
    if (left === 0) resolve()
  })
  await consumer.commitOffsets(Object.entries(next).map(([partition, offset]) => ({
    topic, partition: Number(partition), offset,
  })))
  await consumer.disconnect()
}

const read = (address, topic, count) => group(address, topic, `read-${process.pid}-${Date.now()}`, count)

async function main([command, ...args]) {
  await ({ write, read, group })[command](...args)
}

// What was printed leaves before the process does: a pipe is written to later.
main(process.argv.slice(2)).then(() => process.stdout.write('', () => process.exit(0)), (error) => {
  console.error(error)
  process.exit(1)
})
