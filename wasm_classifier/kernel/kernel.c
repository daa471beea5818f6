/* The classifier and SHA3-256 as one freestanding module: no imports, no libc, no allocation, no recursion.
 *
 * It computes what the modules of wasm_classifier/ compute, function by function and bit for bit, and SHA3-256 as FIPS
 * 202 defines it. Every table, weight, word and bound comes from those modules through the generated tables.h
 * (deploy/kernel/tables.py); only what they write as patterns is written out here again.
 *
 * The host writes bytes into `input`, calls with their number, and reads `output` or `digest`. Any number and any bytes
 * are safe: lengths are compared before they are used, and all indices are bounded by the tables' own sizes.
 */

#include <stdint.h>

#include "tables.h"

#define EXPORT(name) __attribute__((export_name(#name), used))

#define INPUT_BYTES (1u << 20)
#define RATE_BYTES 136u
#define DIGEST_BYTES 32u
#define LANES 25

/* Of the patterns of choices.py and personal.py. */
#define LAST_CHOICE 'J'
#define CHOICE_HEAD_BYTES 3u
#define LONG_NUMBER_DIGITS 9u
#define ACCOUNT_BYTES 14u

/* What a function that takes a length answers. */
enum { DONE = 0, REFUSED = 1 };

static _Alignas(16) uint8_t input[INPUT_BYTES];
static int32_t output[OUTPUT_COUNT];
static _Alignas(8) uint8_t digest[DIGEST_BYTES];

/* --- Words: features.py ---------------------------------------------------------------------------------------- */

static int32_t at_most(int32_t value, int32_t limit) { return value < limit ? value : limit; }

static void raise_to(int32_t *largest, int32_t value) {
  if (value > *largest) *largest = value;
}

static int is_blank(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

static int is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

static int is_capital(uint8_t byte) { return byte >= 'A' && byte <= 'Z'; }

static int is_letter(uint8_t byte) { return is_capital(byte) || (byte >= 'a' && byte <= 'z'); }

/* One word, folded; no word is longer than the window. */
struct word {
  uint8_t bytes[WINDOW_BYTES];
  uint32_t length;
  uint32_t hash;
};

/* A part of the input whose words are read one after the other. */
struct part {
  uint32_t at;
  uint32_t end;
};

static struct word current;

/* The kinds of the sign beyond ASCII that begins at `at`, and its length; 0 where none does. */
static uint32_t sign_at(uint32_t at, uint32_t end, uint32_t *length) {
  uint32_t kinds = 0;
  const uint8_t lead = input[at];
  for (uint32_t index = SIGNS_FROM[lead]; index < SIGNS_TO[lead]; index++) {
    const struct sign *sign = &SIGNS[index];
    if (sign->length > end - at) continue;
    uint32_t same = 1;
    while (same < sign->length && input[at + same] == sign->bytes[same]) same++;
    if (same == sign->length) {
      kinds |= sign->kinds;
      *length = sign->length;
    }
  }
  return kinds;
}

/* Read the next word of `part` into `current`; 0 at its end. */
__attribute__((noinline)) static int next_word(struct part *part) {
  uint32_t length = 0, hash = HASH_START;
  while (part->at < part->end) {
    const uint8_t byte = input[part->at];
    uint8_t folded = FOLD[byte];
    uint32_t step = 1;
    if (byte >= 0x80) {
      const uint32_t kinds = sign_at(part->at, part->end, &step);
      if (kinds & SIGN_APOSTROPHE) {
        part->at += step;
        continue;
      }
      if (kinds & SIGN_PARTING) {
        folded = ' ';
      } else {
        step = 1;
      }
    }
    part->at += step;
    if (byte == '\'') continue;
    if (folded == ' ') {
      if (length > 0) break;
      continue;
    }
    current.bytes[length++] = folded;
    hash = (hash ^ folded) * HASH_PRIME;
  }
  current.length = length;
  current.hash = hash;
  return length > 0;
}

/* The place of the current word in KEYWORDS, or -1. */
static int find_keyword(void) {
  for (uint32_t slot = current.hash & SLOT_MASK;; slot = (slot + 1) & SLOT_MASK) {
    const uint16_t found = SLOTS[slot];
    if (found == NO_KEYWORD) return -1;
    const struct keyword *known = &KEYWORDS[found];
    if (known->length != current.length) continue;
    uint32_t at = 0;
    while (at < current.length && WORDS[known->at + at] == current.bytes[at]) at++;
    if (at == current.length) return found;
  }
}

/* The number the current word stands for; 0 for a word that is no number. */
static int32_t amount(int known) {
  if (current.length <= AMOUNT_DIGITS) {
    int32_t value = 0;
    uint32_t at = 0;
    while (at < current.length && is_digit(current.bytes[at])) value = value * 10 + (current.bytes[at++] - '0');
    if (at == current.length) return at_most(value, ASKED_LIMIT);
  }
  return known < 0 ? 0 : KEYWORDS[known].amount;
}

static uint8_t seen[KEYWORD_COUNT];

/* Take in a known word at its first place: groups, and the sums of the domains. */
static void count_keyword(int known, int32_t *features, int32_t *domain_sums) {
  seen[known] = 1;
  for (uint32_t groups = KEYWORDS[known].groups, group = 0; groups; groups >>= 1, group++) {
    if (groups & 1) features[GROUP_FEATURES[group]]++;
  }
  if (known < DOMAIN_WORD_COUNT) {
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
      domain_sums[domain] += DOMAIN_WEIGHTS[known][domain / 2] >> (domain % 2 ? 0 : 4) & 15;
    }
  }
}

/* Words, groups, what is asked for, and the domain. */
static void count_words(uint32_t size, int32_t *features) {
  struct part window = {0, size};
  int32_t domain_sums[DOMAIN_COUNT] = {0};
  int32_t domain_words = 0, amount_before = 0;
  int leads = 0; /* the previous word asks for a number, and stood there for the first time */
  for (uint32_t index = 0; index < KEYWORD_COUNT; index++) seen[index] = 0;
  while (next_word(&window)) {
    features[F_WORD_COUNT]++;
    const int known = find_keyword();
    const int32_t number = amount(known);
    if (leads) raise_to(&features[F_ASKED_ITEMS], number);
    leads = 0;
    if (known >= 0 && !seen[known]) {
      count_keyword(known, features, domain_sums);
      domain_words += known < DOMAIN_WORD_COUNT;
      leads = KEYWORDS[known].leads;
      raise_to(&features[F_ASKED_WORDS], amount_before * KEYWORDS[known].words_per_unit);
    }
    amount_before = number;
  }
  features[F_ASKED_WORDS] = at_most(features[F_ASKED_WORDS], ASKED_LIMIT);
  features[F_DOMAIN] = DOMAIN_OTHER;
  if (domain_words >= KNOWN_WORDS_LEAST) {
    int largest = 0;
    for (int domain = 1; domain < DOMAIN_COUNT; domain++) {
      if (domain_sums[domain] > domain_sums[largest]) largest = domain;
    }
    features[F_DOMAIN] = largest;
  }
}

/* --- Signs and lines: features.py ------------------------------------------------------------------------------ */

/* The places of the window's line feeds. */
static uint16_t feeds[WINDOW_BYTES];
static uint32_t feed_count;

/* How far the shape before a byte, blanks left out, goes into one of those counted: "0+0" anywhere; "0.", "00." and
   "A." where a line begins. */
struct shape {
  enum { ELSEWHERE, LINE_START, DIGIT, TWO_DIGITS, LETTER } line;
  enum { NOTHING, NUMBER, NUMBER_AND_SIGN } sum;
  uint32_t end; /* behind the last byte that has a shape */
};

static void step_shape(struct shape *before, uint32_t at, int32_t *features) {
  const uint8_t shape = SHAPE[input[at]];
  uint32_t start = at;
  while (start > before->end && (input[start - 1] == ' ' || input[start - 1] == '\t')) start--;
  if (start > before->end) { /* a byte of no shape lies between */
    before->line = ELSEWHERE;
    before->sum = NOTHING;
  }
  before->end = at + 1;
  if (shape == '.') {
    features[F_LIST_MARKER_COUNT] += before->line == DIGIT || before->line == TWO_DIGITS;
    features[F_OPTION_COUNT] += before->line == LETTER;
  }
  if (shape == '0' && before->sum == NUMBER_AND_SIGN) {
    features[F_SUM_COUNT]++;
    before->sum = NOTHING; /* a number ends one sum only */
  } else if (shape == '0') {
    before->sum = NUMBER;
  } else {
    before->sum = shape == '+' && before->sum == NUMBER ? NUMBER_AND_SIGN : NOTHING;
  }
  if (shape == '\n') {
    before->line = LINE_START;
  } else if (shape == '0' && (before->line == LINE_START || before->line == DIGIT)) {
    before->line = before->line == DIGIT ? TWO_DIGITS : DIGIT;
  } else {
    before->line = shape == 'A' && before->line == LINE_START ? LETTER : ELSEWHERE;
  }
}

static void count_wide_sign(uint32_t at, uint32_t size, int32_t *features) {
  uint32_t length = 1;
  const uint32_t kinds = sign_at(at, size, &length);
  features[F_QUESTION_COUNT] += (kinds & SIGN_QUESTION) != 0;
  features[F_SENTENCE_COUNT] += (kinds & SIGN_FULL_STOP) != 0;
  features[F_MATH_SIGN_COUNT] += (kinds & SIGN_MATH) != 0;
}

/* Every sign; most bytes are of no class and are passed over. */
static void count_signs(uint32_t size, int32_t *features) {
  struct shape shape = {LINE_START, NOTHING, 0};
  uint32_t fence = 0, fence_end = 0;
  feed_count = 0;
  for (uint32_t at = 0; at < size; at++) {
    const uint8_t byte = input[at];
    const uint8_t classes = CLASSES[byte];
    if (!classes) continue;
    const uint8_t before = at > 0 ? input[at - 1] : '\n';
    const uint8_t after = at + 1 < size ? input[at + 1] : '\n';
    if (classes & CLASS_WIDE) count_wide_sign(at, size, features);
    if (classes & CLASS_SHAPE) step_shape(&shape, at, features);
    if (classes & CLASS_BRACKET) features[F_BRACKET_COUNT]++;
    if (classes & CLASS_MATH) features[F_MATH_SIGN_COUNT]++;
    if (classes & CLASS_ENDS_SENTENCE) {
      features[F_QUESTION_COUNT] += byte == '?';
      features[F_SENTENCE_COUNT] += is_blank(after);
    }
    if (classes & CLASS_DIGIT) {
      features[F_DIGIT_COUNT]++;
      features[F_NUMBER_COUNT] += !is_digit(before);
    }
    if (byte == '\n') feeds[feed_count++] = (uint16_t)at;
    if (byte == '-' || byte == '*') features[F_LIST_MARKER_COUNT] += before == '\n' && after == ' ';
    if (byte == '`') {
      fence = fence_end == at ? fence + 1 : 1;
      fence_end = at + 1;
      if (fence == 3) {
        features[F_FENCE_COUNT]++;
        fence = 0;
      }
    }
  }
  if (size > 0) features[F_LINE_COUNT] = (int32_t)feed_count + 1;
}

/* Where line `line` of the window begins, and where it ends: at its line feed, or with the window. */
static uint32_t line_start(uint32_t line) { return line > 0 ? feeds[line - 1] + 1u : 0; }

static uint32_t line_end(uint32_t line, uint32_t size) { return line < feed_count ? feeds[line] : size; }

/* --- Lines: choices.py ----------------------------------------------------------------------------------------- */

/* Whether the line of [at, end) begins with a capital from A to `last`, a point or bracket, and a blank. */
static int is_choice(uint32_t at, uint32_t end, uint8_t last) {
  if (end - at < CHOICE_HEAD_BYTES || input[at] < 'A' || input[at] > last) return 0;
  return (input[at + 1] == '.' || input[at + 1] == ')') && input[at + 2] == ' ';
}

/* Bytes of the long lines among the first `lines` that are not the last of them; blank lines are passed over. */
static int32_t pasted_bytes(uint32_t lines, uint32_t size) {
  int32_t total = 0, waiting = 0;
  for (uint32_t line = 0; line < lines; line++) {
    const uint32_t start = line_start(line), stop = line_end(line, size);
    uint32_t first = start;
    while (first < stop && (input[first] == ' ' || input[first] == '\t' || input[first] == '\r')) first++;
    if (first < stop) {
      total += waiting;
      waiting = stop - start >= LONG_LINE_BYTES ? (int32_t)(stop - start) : 0;
    }
  }
  return total;
}

static int is_year(uint32_t at, uint32_t end) {
  if (end - at != 4) return 0;
  for (uint32_t place = at; place < end; place++) {
    if (!is_digit(input[place])) return 0;
  }
  return input[at] == '1' || (input[at] == '2' && input[at + 1] == '0');
}

/* Numbers in [0, end), years left out; "1,250.5" is one. */
static int32_t numbers_of(uint32_t end) {
  int32_t count = 0;
  for (uint32_t at = 0; at < end; at++) {
    if (!is_digit(input[at])) continue;
    uint32_t stop = at + 1;
    for (;;) {
      if (stop < end && is_digit(input[stop])) {
        stop++;
      } else if (stop + 1 < end && (input[stop] == '.' || input[stop] == ',') && is_digit(input[stop + 1])) {
        stop += 2;
      } else {
        break;
      }
    }
    count += !is_year(at, stop);
    at = stop - 1;
  }
  return count;
}

static int32_t spelled_numbers_of(uint32_t end) {
  struct part stem = {0, end};
  int32_t count = 0;
  while (next_word(&stem)) {
    const int known = find_keyword();
    count += known >= 0 && KEYWORDS[known].groups >> GROUP_SPELLED_NUMBER & 1;
  }
  return count;
}

/* The different words of the choices: their bytes one after the other, found by their hashes. A word has a byte and a
   blank at least, so the table is never more than half full. A slot of another turn is free. */
#define SET_SLOTS WINDOW_BYTES
_Static_assert((SET_SLOTS & (SET_SLOTS - 1)) == 0, "a slot is found by the low bits of a hash");
static struct {
  uint32_t turn;
  uint32_t hash;
  uint16_t at, length;
} word_set[SET_SLOTS];
static uint32_t turn;
static uint8_t word_bytes[WINDOW_BYTES];
static uint32_t word_bytes_used;

static void empty_set(void) {
  word_bytes_used = 0;
  if (++turn == 0) { /* once in four thousand million texts */
    for (uint32_t slot = 0; slot < SET_SLOTS; slot++) word_set[slot].turn = 0;
    turn = 1;
  }
}

static int is_current(uint32_t slot) {
  if (word_set[slot].hash != current.hash || word_set[slot].length != current.length) return 0;
  uint32_t at = 0;
  while (at < current.length && word_bytes[word_set[slot].at + at] == current.bytes[at]) at++;
  return at == current.length;
}

/* Put the current word into the set; 1 if it was not there. */
static int32_t add_to_set(void) {
  uint32_t slot = current.hash & (SET_SLOTS - 1);
  while (word_set[slot].turn == turn) {
    if (is_current(slot)) return 0;
    slot = (slot + 1) & (SET_SLOTS - 1);
  }
  word_set[slot].turn = turn;
  word_set[slot].hash = current.hash;
  word_set[slot].at = (uint16_t)word_bytes_used;
  word_set[slot].length = (uint16_t)current.length;
  for (uint32_t at = 0; at < current.length; at++) word_bytes[word_bytes_used++] = current.bytes[at];
  return 1;
}

/* Take in one choice, whose text is [at, end). */
static void count_choice(uint32_t at, uint32_t end, int32_t *features) {
  const int32_t bytes = (int32_t)(end - at);
  if (features[F_CHOICE_COUNT]++ == 0 || bytes < features[F_SHORTEST_CHOICE_BYTES]) {
    features[F_SHORTEST_CHOICE_BYTES] = bytes;
  }
  uint32_t place = at;
  while (place < end && !is_digit(input[place])) place++;
  features[F_NUMERIC_CHOICE_COUNT] += place < end;
  struct part text = {at, end};
  while (next_word(&text)) {
    features[F_CHOICE_WORD_COUNT]++;
    features[F_DISTINCT_CHOICE_WORD_COUNT] += add_to_set();
  }
}

static int is_worded(const int32_t *features) {
  return features[F_CHOICE_COUNT] > 1 && features[F_NUMERIC_CHOICE_COUNT] < 2;
}

/* Choices, what stands before them, and what was pasted. */
static void count_lines(uint32_t size, int32_t *features) {
  features[F_STEM_BYTES] = features[F_BYTE_COUNT];
  if (feed_count == 0) return;
  uint32_t line = 1;
  while (line <= feed_count && !is_choice(line_start(line), line_end(line, size), 'A')) line++;
  features[F_PASTED_BYTES] = pasted_bytes(line, size);
  if (line > feed_count) return;
  const uint32_t stem = feeds[line - 1];
  features[F_STEM_BYTES] = (int32_t)stem;
  empty_set();
  for (const uint32_t behind = line + LINES_LIMIT; line <= feed_count && line < behind; line++) {
    const uint32_t start = line_start(line), stop = line_end(line, size);
    if (is_choice(start, stop, LAST_CHOICE)) count_choice(start + CHOICE_HEAD_BYTES, stop, features);
  }
  if (is_worded(features)) features[F_STEM_QUANTITY_COUNT] = numbers_of(stem) + spelled_numbers_of(stem);
}

/* --- Personal data: personal.py -------------------------------------------------------------------------------- */

static int is_mail_sign(uint8_t byte) {
  return is_letter(byte) || is_digit(byte) || byte == '.' || byte == '_' || byte == '%' || byte == '+' || byte == '-';
}

/* Around the @ at `at`: a sign of a mailbox, a host's name, a point, a letter. */
static int is_mail(uint32_t at, uint32_t size) {
  if (at == 0 || !is_mail_sign(input[at - 1])) return 0;
  uint32_t point = at + 1;
  while (point < size && (is_letter(input[point]) || is_digit(input[point]) || input[point] == '-')) point++;
  return point > at + 1 && point + 1 < size && input[point] == '.' && is_letter(input[point + 1]);
}

static int is_between(uint8_t byte) {
  return byte == ' ' || byte == '(' || byte == ')' || byte == '/' || byte == '-';
}

/* Nine digits from `at` on, with at most two signs between neighbours, not inside a longer decimal number. */
static int is_long_number(uint32_t at, uint32_t size) {
  if (at > 0 && (is_digit(input[at - 1]) || input[at - 1] == '.' || input[at - 1] == ',')) return 0;
  for (uint32_t digits = 1; digits < LONG_NUMBER_DIGITS; digits++) {
    const uint32_t before = at++;
    while (at < size && at - before <= 2 && is_between(input[at])) at++;
    if (at >= size || !is_digit(input[at])) return 0;
  }
  return 1;
}

static int is_account(uint32_t at, uint32_t size) {
  if (size - at < ACCOUNT_BYTES) return 0;
  if (at > 0 && (is_letter(input[at - 1]) || is_digit(input[at - 1]))) return 0;
  for (uint32_t place = 0; place < ACCOUNT_BYTES; place++) {
    const uint8_t byte = input[at + place];
    if (!(place < 2 ? is_capital(byte) : place < 4 ? is_digit(byte) : is_capital(byte) || is_digit(byte))) return 0;
  }
  return 1;
}

/* Four numbers of one to three digits with points between, from `at` on, and no digit or point around them. */
static int is_address(uint32_t at, uint32_t size) {
  if (at > 0 && (is_digit(input[at - 1]) || input[at - 1] == '.')) return 0;
  for (int number = 0;; number++) {
    const uint32_t first = at;
    while (at < size && is_digit(input[at])) at++;
    if (at == first || at - first > 3) return 0;
    const int is_point = at < size && input[at] == '.';
    if (number == 3) return !is_point;
    if (!is_point) return 0;
    at++;
  }
}

static int has_personal_data(uint32_t size) {
  for (uint32_t at = 0; at < size; at++) {
    const uint8_t byte = input[at];
    if (is_digit(byte) && (is_long_number(at, size) || is_address(at, size))) return 1;
    if (byte == '@' && is_mail(at, size)) return 1;
    if (is_capital(byte) && is_account(at, size)) return 1;
  }
  return 0;
}

static void extract(uint32_t length, int32_t *features) {
  const uint32_t size = length < WINDOW_BYTES ? length : WINDOW_BYTES;
  for (int index = 0; index < FEATURE_COUNT; index++) features[index] = 0;
  features[F_BYTE_COUNT] = length > INT32_MAX ? INT32_MAX : (int32_t)length;
  count_words(size, features);
  count_signs(size, features);
  count_lines(size, features);
  features[F_PERSONAL] = has_personal_data(size);
}

/* --- Scoring: reference.py ------------------------------------------------------------------------------------- */

/* Ppm for a length, straight between the corners of LENGTH_CURVE. */
static int32_t length_term(int32_t byte_count) {
  for (int at = 1; at < LENGTH_CORNERS; at++) {
    const int64_t x0 = LENGTH_CURVE[at - 1][0], y0 = LENGTH_CURVE[at - 1][1];
    const int64_t x1 = LENGTH_CURVE[at][0], y1 = LENGTH_CURVE[at][1];
    if (byte_count < x1) return (int32_t)(y0 + (byte_count - x0) * (y1 - y0) / (x1 - x0));
  }
  return LENGTH_CURVE[LENGTH_CORNERS - 1][1];
}

static uint64_t power(uint64_t base, int exponent) {
  uint64_t product = 1;
  for (int factor = 0; factor < exponent; factor++) product *= base;
  return product;
}

/* The integer square root of a number from 1 on, by Newton's steps from above. */
static uint64_t root_of(uint64_t radicand) {
  int bits = 0;
  while (bits < 64 && radicand >> bits) bits++;
  uint64_t root = (uint64_t)1 << (bits + 1) / 2;
  for (;;) {
    const uint64_t lower = (root + radicand / root) / 2;
    if (lower >= root) return root;
    root = lower;
  }
}

/* The length a text counts for; reference.py says why its products stay below 2^63. */
static int32_t effective_bytes(const int32_t *features) {
  int64_t own = (int64_t)features[F_STEM_BYTES] + CHOICE_BYTES_FACTOR * features[F_SHORTEST_CHOICE_BYTES];
  own -= (int64_t)features[F_PASTED_BYTES] * 3 / 4;
  own = own < 0 ? 0 : own > EFFECTIVE_LIMIT ? EFFECTIVE_LIMIT : own;
  const int worded = is_worded(features);
  uint64_t effective;
  if (features[F_CHOICE_COUNT] > 1 && !worded) {
    effective = (uint64_t)(own + 1) * NUMERIC_CHOICES_FACTOR;
  } else {
    uint64_t radicand = power((uint64_t)features[F_STATEMENT] + 1, STATEMENT_HALVES), scale = 1;
    if (worded) {
      const int32_t different = features[F_DISTINCT_CHOICE_WORD_COUNT] ? features[F_DISTINCT_CHOICE_WORD_COUNT] : 1;
      int32_t ratio = RATIO_ONE * features[F_CHOICE_WORD_COUNT] / different;
      ratio = ratio < RATIO_ONE ? RATIO_ONE : at_most(ratio, RATIO_LIMIT);
      const int32_t quantities = at_most(features[F_STEM_QUANTITY_COUNT], QUANTITY_LIMIT);
      radicand *= power((uint64_t)quantities + 1, QUANTITY_HALVES) * power((uint64_t)ratio, JOINT_HALVES);
      scale = power(RATIO_ONE_ROOT, JOINT_HALVES);
    }
    effective = (uint64_t)(own + 1) * root_of(radicand) / scale;
  }
  return effective < EFFECTIVE_LIMIT ? (int32_t)effective : EFFECTIVE_LIMIT;
}

/* The sum of min(feature, cap) * each over a table of such terms. */
static int32_t sum_terms(const int32_t *features, const struct term *terms, int count) {
  int32_t sum = 0;
  for (int at = 0; at < count; at++) sum += at_most(features[terms[at].feature], terms[at].cap) * terms[at].each;
  return sum;
}

static int32_t instruction_terms(const int32_t *features) {
  int32_t points = sum_terms(features, WEIGHTS, WEIGHT_COUNT);
  if (features[F_QUESTION_COUNT] > 1) {
    points += at_most(features[F_QUESTION_COUNT] - 1, FURTHER_QUESTION_CAP) * FURTHER_QUESTION_PPM;
  }
  return points;
}

static int32_t p_small_fails_ppm(const int32_t *features, int32_t task) {
  int32_t points = P_FLOOR + length_term(effective_bytes(features));
  if (features[F_CHOICE_COUNT] < 2) points += task == TASK_MATH ? MATH_PPM : instruction_terms(features);
  return at_most(points, P_CEILING);
}

static int32_t complexity_of(int32_t p_ppm) {
  if (p_ppm >= COMPLEX_FROM_PPM) return COMPLEXITY_COMPLEX;
  return p_ppm >= MODERATE_FROM_PPM ? COMPLEXITY_MODERATE : COMPLEXITY_SIMPLE;
}

static int is_worded_sum(const int32_t *features) {
  const int32_t quantity = features[F_QUANTITY];
  const int32_t evidence = features[F_NUMBER_COUNT] + quantity;
  if (features[F_NUMBER_COUNT] && quantity >= QUANTITY_WORDS && evidence >= WORDED_SUM_EVIDENCE) return 1;
  const int32_t numbers = features[F_NUMBER_COUNT] + features[F_SPELLED_NUMBER];
  const int is_asked = features[F_QUESTION_COUNT] > 0 && quantity > 0 && numbers >= ASKED_SUM_NUMBERS;
  return is_asked && numbers + quantity >= WORDED_SUM_EVIDENCE;
}

static int32_t task_of(const int32_t *features) {
  const int32_t code_points = features[F_CODE_NOUN] * 2 + at_most(features[F_BRACKET_COUNT], SIGN_POINTS_CAP);
  int32_t math_points = features[F_MATH_NAME] * 4 + features[F_MATH_NOUN] * 2 + 4 * at_most(features[F_SUM_COUNT], 1);
  math_points += 4 * is_worded_sum(features) + at_most(features[F_MATH_SIGN_COUNT], SIGN_POINTS_CAP);
  const int32_t needed = math_points > CODE_POINTS ? math_points : CODE_POINTS;
  if (features[F_CODE_NAME] || features[F_FENCE_COUNT] || code_points >= needed) return TASK_CODE;
  if (features[F_SUMMARISING]) return TASK_SUMMARISATION;
  if (features[F_EXTRACTING]) return TASK_EXTRACTION;
  if (math_points >= MATH_POINTS) return TASK_MATH;
  return features[F_CLASSIFYING] || features[F_POLARITY] > 1 ? TASK_CLASSIFICATION : TASK_OTHER;
}

static int32_t clamp_tokens(int32_t tokens) {
  return tokens < TOKENS_MIN ? TOKENS_MIN : at_most(tokens, TOKENS_MAX);
}

static int32_t math_tokens(const int32_t *features, int32_t tokens) {
  const int32_t numbers = at_most(features[F_NUMBER_COUNT] + features[F_SPELLED_NUMBER], MATH_COUNT_CAP);
  return tokens + MATH_COUNT_TOKENS * (numbers - at_most(features[F_SENTENCE_COUNT], MATH_COUNT_CAP));
}

static int32_t expected_output_tokens(const int32_t *features, int32_t task) {
  int32_t tokens = TASK_TOKENS[task][0];
  tokens += at_most(features[F_BYTE_COUNT], LENGTH_TOKENS_CAP_BYTES) * TASK_TOKENS[task][1] / 1024;
  if (task == TASK_MATH) return clamp_tokens(math_tokens(features, tokens));
  if (features[F_ASKED_WORDS]) return clamp_tokens(features[F_ASKED_WORDS] * 4 / 3);
  const int32_t reasoned = features[F_REASONING] + features[F_EXPLAINING];
  if (features[F_GREETING] && features[F_WORD_COUNT] <= GREETING_WORDS && reasoned + features[F_ASKED_ITEMS] == 0) {
    return GREETING_TOKENS;
  }
  if (task == TASK_CODE) return clamp_tokens(tokens);
  tokens += sum_terms(features, EXTRA_TOKENS, EXTRA_COUNT);
  tokens += features[F_ASKED_ITEMS] * (reasoned ? REASONED_ITEM_TOKENS : ITEM_TOKENS);
  return clamp_tokens(features[F_BREVITY] ? tokens / 2 : tokens);
}

/* Score the text of `length` bytes whose first `score_bytes()` bytes lie in `input`; any length will do. */
EXPORT(score) int32_t score(uint32_t length) {
  int32_t features[FEATURE_COUNT];
  extract(length, features);
  const int32_t task = task_of(features);
  const int32_t p_ppm = p_small_fails_ppm(features, task);
  output[O_P_SMALL_FAILS_PPM] = p_ppm;
  output[O_COMPLEXITY] = complexity_of(p_ppm);
  output[O_TASK] = task;
  output[O_EXPECTED_OUTPUT_TOKENS] = expected_output_tokens(features, task);
  output[O_DOMAIN] = features[F_DOMAIN];
  output[O_PERSONAL_DATA] = features[F_PERSONAL];
  return DONE;
}

/* --- SHA3-256: FIPS 202 --------------------------------------------------------------------------------------- */

static uint64_t lanes[LANES]; /* lane (x, y) is lanes[x + 5 * y] */
static uint32_t filled;       /* bytes taken into the open block */

/* Section 3.2.5. */
static const uint64_t ROUND_CONSTANTS[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000, 0x000000000000808B,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008A, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000A, 0x000000008000808B, 0x800000000000008B, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};
/* Rho and pi together, section 3.2.2 and 3.2.3: lane (1, 0) moves to PI[0] turned by RHO[0], what stood there on. */
static const uint8_t PI[24] = {10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1};
static const uint8_t RHO[24] = {1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44};

static uint64_t turned(uint64_t lane, uint32_t by) { return lane << by | lane >> (64 - by); }

__attribute__((noinline)) static void permute(void) {
  uint64_t a[LANES], column[5];
  for (int at = 0; at < LANES; at++) a[at] = lanes[at];
  for (int round = 0; round < 24; round++) {
#pragma clang loop unroll(full)
    for (int x = 0; x < 5; x++) column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma clang loop unroll(full)
    for (int x = 0; x < 5; x++) {
      const uint64_t parity = column[(x + 4) % 5] ^ turned(column[(x + 1) % 5], 1);
#pragma clang loop unroll(full)
      for (int y = 0; y < LANES; y += 5) a[x + y] ^= parity;
    }
    uint64_t moving = a[1];
#pragma clang loop unroll(full)
    for (int at = 0; at < 24; at++) {
      const uint64_t displaced = a[PI[at]];
      a[PI[at]] = turned(moving, RHO[at]);
      moving = displaced;
    }
#pragma clang loop unroll(full)
    for (int y = 0; y < LANES; y += 5) {
#pragma clang loop unroll(full)
      for (int x = 0; x < 5; x++) column[x] = a[y + x];
#pragma clang loop unroll(full)
      for (int x = 0; x < 5; x++) a[y + x] = column[x] ^ (~column[(x + 1) % 5] & column[(x + 2) % 5]);
    }
    a[0] ^= ROUND_CONSTANTS[round];
  }
  for (int at = 0; at < LANES; at++) lanes[at] = a[at];
}

static uint64_t lane_at(const uint8_t *bytes) {
  uint64_t lane = 0;
  for (int at = 0; at < 8; at++) lane |= (uint64_t)bytes[at] << (8 * at);
  return lane;
}

static void mix_byte(uint32_t at, uint8_t byte) { lanes[at / 8] ^= (uint64_t)byte << (8 * (at % 8)); }

/* Begin a digest of data that comes in pieces. */
EXPORT(sha3_256_start) void sha3_256_start(void) {
  for (int at = 0; at < LANES; at++) lanes[at] = 0;
  filled = 0;
}

/* Take in the first `length` bytes of `input`; REFUSED, with nothing taken, when it can't hold so many. */
EXPORT(sha3_256_update) int32_t sha3_256_update(uint32_t length) {
  if (length > INPUT_BYTES) return REFUSED;
  uint32_t at = 0;
  while (at < length) {
    if (filled == 0 && length - at >= RATE_BYTES) {
      for (uint32_t lane = 0; lane < RATE_BYTES / 8; lane++) lanes[lane] ^= lane_at(&input[at + 8 * lane]);
      at += RATE_BYTES;
      permute();
      continue;
    }
    mix_byte(filled++, input[at++]);
    if (filled == RATE_BYTES) {
      permute();
      filled = 0;
    }
  }
  return DONE;
}

/* Pad (domain bits 01, then 1 0* 1: section 6.1) and write `digest`. */
EXPORT(sha3_256_finish) void sha3_256_finish(void) {
  mix_byte(filled, 0x06);
  mix_byte(RATE_BYTES - 1, 0x80);
  permute();
  for (uint32_t at = 0; at < DIGEST_BYTES; at++) digest[at] = (uint8_t)(lanes[at / 8] >> (8 * (at % 8)));
}

/* The digest of the first `length` bytes of `input`; REFUSED when it can't hold so many. */
EXPORT(sha3_256) int32_t sha3_256(uint32_t length) {
  if (length > INPUT_BYTES) return REFUSED;
  sha3_256_start();
  sha3_256_update(length);
  sha3_256_finish();
  return DONE;
}

/* --- Where things lie ----------------------------------------------------------------------------------------- */

EXPORT(input) uint8_t *input_place(void) { return input; }
EXPORT(input_bytes) uint32_t input_bytes(void) { return INPUT_BYTES; }
/* Only so many leading bytes of a text are looked at; no more need to be written. */
EXPORT(score_bytes) uint32_t score_bytes(void) { return WINDOW_BYTES; }
EXPORT(output) int32_t *output_place(void) { return output; }
EXPORT(digest) uint8_t *digest_place(void) { return digest; }
/* JSON: ABI, model version, the names of `output`'s integers and of what they count (wasm_classifier/kernel.py). */
EXPORT(about) const uint8_t *about_place(void) { return ABOUT; }
EXPORT(about_bytes) uint32_t about_bytes(void) { return sizeof ABOUT; }
