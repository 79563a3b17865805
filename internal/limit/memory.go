package limit

import "time"

// memory is a map of a bounded number of keys that forgets the idle ones: those without
// which nothing would be decided otherwise. It is not safe for concurrent use.
type memory[K comparable, V any] struct {
	// max is how many keys are remembered.
	max int
	// every is how often idle keys are looked for.
	every time.Duration
	idle  func(value V, now time.Time) bool

	entries map[K]V
	sweptAt time.Time
}

func newMemory[K comparable, V any](keys int, every time.Duration, idle func(V, time.Time) bool) memory[K, V] {
	return memory[K, V]{max: keys, every: every, idle: idle, entries: map[K]V{}}
}

func (m *memory[K, V]) put(key K, value V, now time.Time) {
	if _, known := m.entries[key]; !known && (len(m.entries) >= m.max || now.Sub(m.sweptAt) >= m.every) {
		m.sweep(now)
	}
	m.entries[key] = value
}

// sweep forgets the idle keys. It keeps at most half as many as there may be, so that a
// map full of keys that are in use is not swept for each new one. The others move to a
// new map, because one that keys are deleted from keeps its size.
func (m *memory[K, V]) sweep(now time.Time) {
	kept := map[K]V{}
	for key, value := range m.entries {
		if len(kept) < m.max/2 && !m.idle(value, now) {
			kept[key] = value
		}
	}
	m.entries, m.sweptAt = kept, now
}
