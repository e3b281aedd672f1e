import { quote, refuse } from '../refuse.ts'
import { buildCall, buildStorage, isOrderedDict, namedGlobal } from './globals.ts'
import { PickleBytes } from './pickle-bytes.ts'
import { isTuple, type PickleDict, type PickleValue, type Storage } from './values.ts'

/**
 * Reads one pickle (protocols 0 to 5, the binary opcodes) as data: containers, scalars and tensors, never code. Names
 * that are not on the list of `globals.ts` and opcodes that make objects are refused. Every step takes at least a byte,
 * so that time and memory are bounded by the pickle's length. Throws MoreBytesNeeded where it is cut off.
 */
export function unpickle(bytes: Uint8Array, start: number, who: string): { value: PickleValue; end: number } {
  const machine = new PickleMachine(bytes, start, who)
  return { value: machine.run(), end: machine.input.at }
}

/** Opcodes that would make or look up objects; their names as Python's pickletools has them. */
const forbidden: Readonly<Record<number, string>> = {
  105: 'INST',
  111: 'OBJ',
  129: 'NEWOBJ',
  146: 'NEWOBJ_EX',
  130: 'EXT1',
  131: 'EXT2',
  132: 'EXT4',
  80: 'PERSID',
  151: 'NEXT_BUFFER',
  152: 'READONLY_BUFFER',
}

class PickleMachine {
  readonly input: PickleBytes
  readonly #who: string
  readonly #memo = new Map<number, PickleValue>()
  /** Stacks below the marks, the current one apart. */
  readonly #below: PickleValue[][] = []
  #stack: PickleValue[] = []
  /** A storage keeps its identity: the same key gives the same object. */
  readonly #storages = new Map<string, Storage>()

  constructor(bytes: Uint8Array, start: number, who: string) {
    this.input = new PickleBytes(bytes, start, who)
    this.#who = who
  }

  run(): PickleValue {
    while (true) {
      const at = this.input.at
      const opcode = this.input.u8()
      if (opcode === 0x2e) break // STOP
      if (!this.#scalar(opcode) && !this.#container(opcode) && !this.#object(opcode)) {
        const name = forbidden[opcode]
        if (name) refuse('pickle-forbidden-opcode', this.#who, `the pickle makes an object (${name} at byte ${at}).`)
        refuse('pickle-malformed', this.#who, `unknown opcode 0x${opcode.toString(16)} at byte ${at}.`)
      }
    }
    const value = this.#pop()
    if (this.#stack.length > 0 || this.#below.length > 0) this.#malformed('values are left over at its end')
    return value
  }

  #malformed(what: string): never {
    refuse('pickle-malformed', this.#who, `the pickle is malformed: ${what}.`)
  }

  #push(value: PickleValue): true {
    this.#stack.push(value)
    return true
  }

  #pop(): PickleValue {
    return this.#stack.length > 0 ? this.#stack.pop()! : this.#malformed('it takes from an empty stack')
  }

  #top(): PickleValue {
    return this.#stack.length > 0 ? this.#stack.at(-1)! : this.#malformed('it takes from an empty stack')
  }

  /** The values above the last mark, which is removed. */
  #popMark(): PickleValue[] {
    const items = this.#stack
    this.#stack = this.#below.pop() ?? this.#malformed('it looks for a mark that was never set')
    return items
  }

  #scalar(opcode: number): boolean {
    const { input } = this
    switch (opcode) {
      case 0x4e: // NONE
        return this.#push(null)
      case 0x88: // NEWTRUE
        return this.#push(true)
      case 0x89: // NEWFALSE
        return this.#push(false)
      case 0x4a: // BININT
        return this.#push(input.i32())
      case 0x4b: // BININT1
        return this.#push(input.u8())
      case 0x4d: // BININT2
        return this.#push(input.u16())
      case 0x8a: // LONG1
        return this.#push(input.integer(input.u8()))
      case 0x8b: // LONG4
        return this.#push(input.integer(input.u32()))
      case 0x47: // BINFLOAT
        return this.#push(input.f64())
      case 0x58: // BINUNICODE
        return this.#push(input.text(input.u32()))
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(input.text(input.u8()))
      case 0x8d: // BINUNICODE8
        return this.#push(input.text(input.u64()))
      case 0x54: // BINSTRING, of Python 2
        return this.#push(input.text(input.i32()))
      case 0x55: // SHORT_BINSTRING
        return this.#push(input.text(input.u8()))
      case 0x42: // BINBYTES
        return this.#push(input.take(input.u32()).slice())
      case 0x43: // SHORT_BINBYTES
        return this.#push(input.take(input.u8()).slice())
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(input.take(input.u64()).slice())
    }
    return false
  }

  #container(opcode: number): boolean {
    switch (opcode) {
      case 0x28: // MARK
        this.#below.push(this.#stack)
        this.#stack = []
        return true
      case 0x30: // POP
        if (this.#stack.length > 0) this.#stack.pop()
        else this.#popMark()
        return true
      case 0x31: // POP_MARK
        this.#popMark()
        return true
      case 0x32: // DUP
        return this.#push(this.#top())
      case 0x29: // EMPTY_TUPLE
        return this.#push(Object.freeze([]))
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: {
        const size = opcode - 0x84
        if (this.#stack.length < size) this.#malformed('it takes from an empty stack')
        return this.#push(Object.freeze(this.#stack.splice(-size)))
      }
      case 0x74: // TUPLE
        return this.#push(Object.freeze(this.#popMark()))
      case 0x5d: // EMPTY_LIST
        return this.#push([])
      case 0x6c: // LIST
        return this.#push(this.#popMark())
      case 0x61: // APPEND
        return this.#append([this.#pop()])
      case 0x65: // APPENDS
        return this.#append(this.#popMark())
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map())
      case 0x64: // DICT
        return this.#push(this.#fill(new Map(), this.#popMark()))
      case 0x73: {
        // SETITEM
        const value = this.#pop()
        const key = this.#pop()
        this.#fill(this.#dictOnTop(), [key, value])
        return true
      }
      case 0x75: {
        // SETITEMS
        const items = this.#popMark()
        this.#fill(this.#dictOnTop(), items)
        return true
      }
      case 0x8f: // EMPTY_SET
        return this.#push(new Set())
      case 0x90: {
        // ADDITEMS
        const items = this.#popMark()
        const set = this.#top()
        if (!(set instanceof Set)) this.#malformed('it adds to something that is not a set')
        for (const item of items) set.add(item)
        return true
      }
      case 0x91: // FROZENSET
        return this.#push(new Set(this.#popMark()))
    }
    return false
  }

  #append(items: PickleValue[]): true {
    const list = this.#top()
    if (!Array.isArray(list) || isTuple(list)) this.#malformed('it appends to something that is not a list')
    for (const item of items) (list as PickleValue[]).push(item)
    return true
  }

  #dictOnTop(): PickleDict {
    const dict = this.#top()
    return dict instanceof Map ? dict : this.#malformed('it sets an item of something that is not a dictionary')
  }

  #fill(dict: PickleDict, items: PickleValue[]): PickleDict {
    if (items.length % 2 !== 0) this.#malformed('a key without a value')
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i]!
      const plain = typeof key !== 'object' || key === null || isTuple(key)
      if (!plain) this.#malformed('a key that is neither a scalar nor a tuple')
      dict.set(key, items[i + 1]!)
    }
    return dict
  }

  #object(opcode: number): boolean {
    const { input } = this
    switch (opcode) {
      case 0x80: {
        // PROTO
        const protocol = input.u8()
        if (protocol > 5) refuse('pickle-protocol', this.#who, `pickle protocol ${protocol}, known are 0 to 5.`)
        return true
      }
      case 0x95: // FRAME
        input.u64()
        return true
      case 0x71: // BINPUT
        return this.#remember(input.u8())
      case 0x72: // LONG_BINPUT
        return this.#remember(input.u32())
      case 0x94: // MEMOIZE
        return this.#remember(this.#memo.size)
      case 0x68: // BINGET
        return this.#recall(input.u8())
      case 0x6a: // LONG_BINGET
        return this.#recall(input.u32())
      case 0x63: // GLOBAL
        return this.#push(namedGlobal(input.line(), input.line(), this.#who))
      case 0x93: {
        // STACK_GLOBAL
        const name = this.#pop()
        const module = this.#pop()
        if (typeof module !== 'string' || typeof name !== 'string') this.#malformed('a global whose name is no string')
        return this.#push(namedGlobal(module, name, this.#who))
      }
      case 0x52: {
        // REDUCE
        const args = this.#pop()
        return this.#push(buildCall(this.#pop(), args, this.#who))
      }
      case 0x62: {
        // BUILD: attributes; an OrderedDict may have some (a state dict's `_metadata`), which are dropped
        this.#pop()
        if (!isOrderedDict(this.#top())) {
          refuse(
            'pickle-forbidden-build',
            this.#who,
            'the pickle sets attributes of something else than an OrderedDict.',
          )
        }
        return true
      }
      case 0x51: // BINPERSID
        return this.#push(this.#storage(buildStorage(this.#pop(), this.#who)))
    }
    return false
  }

  #remember(index: number): true {
    this.#memo.set(index, this.#top())
    return true
  }

  #recall(index: number): true {
    if (!this.#memo.has(index)) this.#malformed(`it recalls value ${index}, which was never stored`)
    return this.#push(this.#memo.get(index)!)
  }

  #storage(storage: Storage): Storage {
    const known = this.#storages.get(`${storage.key}@${storage.start}`)
    if (!known) this.#storages.set(`${storage.key}@${storage.start}`, storage)
    else if (known.dtype !== storage.dtype || known.size !== storage.size) {
      refuse('pytorch-storage', this.#who, `storage ${quote(storage.key)} is described in two ways.`)
    }
    return known ?? storage
  }
}
