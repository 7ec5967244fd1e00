// Made from server/wire/browser.py by `python -m server.wire.typescript`: change it there.

/**
 * What the app server and a browser say to each other: `/api/…` on port 7861.
 *
 *     POST   /api/chat                           ChatRequest -> event stream, or Answer
 *     GET    /api/chat/{message}/events          event stream, from Last-Event-ID on
 *     POST   /api/chat/{message}/stop            -> Message
 *     GET    /api/conversations                  -> ConversationPage
 *     POST   /api/conversations                  NewConversation -> Conversation
 *     GET    /api/conversations/{id}             -> Conversation
 *     PATCH  /api/conversations/{id}             ConversationChange -> Conversation
 *     DELETE /api/conversations/{id}
 *     GET    /api/conversations/{id}/messages    -> MessagePage
 *     GET    /api/conversations/{id}/export      a file: ?format=markdown or json
 *     GET    /api/models                         -> ModelList
 *     GET    /api/fleet                          -> FleetReport
 *     GET    /api/fleet/events                   event stream of `fleet` events, each a FleetReport
 *     POST   /api/fleet/workers/{name}/{action}  start, stop, restart, drain
 *
 * The stream of one answer: every frame has an `id`, which is the number of characters (code points)
 * of the answer sent so far; `Last-Event-ID` asks for what comes after it. Frames without a name are
 * `TextFrame`s; named ones are `queue`, `sources`, and exactly one of `done` or `error` at the end.
 * Times are seconds since 1970. `webui/src/api/wire.ts` is made from this file.
 */

export const MAX_QUERY_CHARS = 200000

export const MAX_NAME_CHARS = 200

export const MAX_SEED_TURNS = 1000

export const MAX_PAGE = 100

export const PAGE = 50

export const CONVERSATION_HEADER = 'x-conversation-id'

export const MESSAGE_HEADER = 'x-message-id'

/** `interrupted`: the answer was cut by a fault and is incomplete; `failed`: there is none. */
export type MessageStatus = 'running' | 'complete' | 'stopped' | 'interrupted' | 'failed'

export type FinishReason = 'stop' | 'length' | 'content_filter' | 'tool_calls' | 'stopped'

/** How an answer is made; what is null is left to the model. */
export interface GenerationSettings {
  /** The system prompt. */
  system?: string | null
  temperature?: number | null
  top_p?: number | null
  max_tokens?: number | null
  stop?: string[]
  seed?: number | null
  presence_penalty?: number | null
  frequency_penalty?: number | null
}

/** One entry of the `history` that a new conversation begins with. */
export interface SeedTurn {
  role: 'user' | 'assistant'
  content: string
}

/**
 * A question. Fields that are not known are ignored, as clients of older products send some.
 *
 * Generation settings that are not null are also kept as the conversation's own.
 */
export interface ChatRequest extends GenerationSettings {
  query: string
  /** null or empty: a new conversation. */
  conversation_id?: string | null
  /** Of a new conversation; empty: made from the first exchange. */
  conversation_name?: string
  /**
   * The message this one follows. null: the one the reader is at; empty: none, so that this is
   * another first message.
   */
  parent_id?: string | null
  /**
   * Turns that a new conversation begins with; of one that exists, a number says how many of
   * its turns the model may see (-1: as many as fit).
   */
  history?: SeedTurn[] | number
  /** Empty: the conversation's, or else the first that can chat. */
  model?: string
  chat_type?: 'chat'
  stream?: boolean
}

export interface Usage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
}

/** What of the conversation did not fit the model's context. */
export interface LeftOut {
  /** The oldest ones, a question with its answer each. */
  turns: number
  tokens: number
}

export interface Problem {
  code: string
  message: string
}

/** One question with its answer. Messages of a conversation form a tree. */
export interface Message {
  id: string
  conversation_id: string
  parent_id: string | null
  chat_type: string
  query: string
  response: string
  status: MessageStatus
  model: string
  /** As this answer was made. */
  settings: GenerationSettings
  error: Problem | null
  usage: Usage | null
  finish_reason: FinishReason | null
  left_out: LeftOut | null
  /** From the question to the first text. */
  first_token_s: number | null
  /** From the first text to the end. */
  duration_s: number | null
  create_time: number
  /** All messages with the same parent, this one too, oldest first: the branches here. */
  siblings: string[]
  /** The siblings by their question: each group holds the answers to one wording of it. */
  versions: string[][]
}

/** A part of the branch that ends at `leaf_id`, oldest first. */
export interface MessagePage {
  items: Message[]
  leaf_id: string | null
  /** Whether the branch goes on above; ask with `before` set to the first item's id. */
  more: boolean
}

export interface Conversation {
  id: string
  /** Empty until the first exchange is there. */
  name: string
  named_by: 'nobody' | 'first exchange' | 'person'
  pinned: boolean
  model: string
  settings: GenerationSettings
  /** The last message of the branch the reader is at. */
  leaf_id: string | null
  /** Whether an answer is being made right now. */
  running: boolean
  /** Where a search found its words. */
  excerpt: string | null
  create_time: number
  update_time: number
}

/** Pinned ones first, then the newest. */
export interface ConversationPage {
  items: Conversation[]
  next_cursor: string | null
}

export interface NewConversation {
  name?: string
  model?: string
  settings?: GenerationSettings
}

/** What is null stays as it is. */
export interface ConversationChange {
  name?: string | null
  pinned?: boolean | null
  model?: string | null
  settings?: GenerationSettings | null
  /** Go to the branch with this message: the reader is then at the newest message below it. */
  leaf_id?: string | null
}

export interface TextFrame {
  message_id: string
  /** To be appended. */
  text: string
}

export interface QueueFrame {
  message_id: string
  /** 1: next in line; 0: not waiting any more. */
  position: number
  /**
   * `recovering`: the way to the model was lost and is being found again; `waiting`: no worker
   * serves the model at the moment, and one is waited for; `loading`: the model is being loaded.
   */
  reason: 'queue' | 'recovering' | 'waiting' | 'loading'
  /** Of its weights, the share that is there. */
  done: number | null
}

export interface DoneFrame {
  message_id: string
  conversation_id: string
  conversation_name: string
  usage: Usage | null
  finish_reason: FinishReason
  left_out: LeftOut
  first_token_s: number | null
  duration_s: number | null
}

export interface ErrorFrame {
  message_id: string
  code: string
  message: string
}

/** What `stream: false` is answered with. */
export interface Answer extends DoneFrame {
  text: string
}

export interface ModelState {
  id: string
  state: 'ready' | 'loading' | 'down'
  context_length: number | null
  /** That serve it now. */
  workers: number
  in_flight: number
  waiting: number
  /** What is being loaded, or why it is down. */
  detail: string
}

export interface ModelList {
  /** Those that can chat. */
  items: ModelState[]
}

/** Of the last requests, in seconds; null when there were none. */
export interface Latency {
  first_byte_p50_s: number | null
  first_byte_p95_s: number | null
  whole_p50_s: number | null
  whole_p95_s: number | null
}

/** One child of the launcher, and what it does as a worker if it is one. */
export interface ProcessReport {
  name: string
  role: string
  /** As `startup.py status` says it, or `suspect` or `draining`. */
  status: string
  detail: string
  pid: number | null
  address: string | null
  /** Of a model whose weights an operator has swapped: where they are, */
  path: string
  /** and where the settings say that they are. */
  instead_of: string
  memory_bytes: number | null
  restarts: number
  /** When it came into this status. */
  since: number | null
  models: string[]
  abilities: string[]
  slots: number | null
  running: number | null
  waiting: number | null
  /** That this gateway has sent there: exact. */
  in_flight: number | null
  served: number | null
  failed: number | null
  latency: Latency | null
  /** What can be done to it now. */
  can: ('start' | 'stop' | 'restart' | 'drain')[]
}

export interface FleetReport {
  time: number
  state: 'ok' | 'degraded'
  /** What is not as it should be, in words. */
  missing: string[]
  /** Workers of other machines are among them; they have no pid. */
  processes: ProcessReport[]
}
