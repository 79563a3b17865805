package queue

// indexedHeap implements heap.Interface for items that know their order and keep
// track of their index in the heap, so that they can be moved or removed.
type indexedHeap[T interface {
	Less(other T) bool
	SetIndex(i int) // -1 once the item is removed
}] []T

// Len implements heap.Interface.
func (h indexedHeap[T]) Len() int { return len(h) }

// Less implements heap.Interface.
func (h indexedHeap[T]) Less(i, j int) bool { return h[i].Less(h[j]) }

// Swap implements heap.Interface.
func (h indexedHeap[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].SetIndex(i)
	h[j].SetIndex(j)
}

// Push implements heap.Interface.
func (h *indexedHeap[T]) Push(x any) {
	item, _ := x.(T)
	item.SetIndex(len(*h))
	*h = append(*h, item)
}

// Pop implements heap.Interface.
func (h *indexedHeap[T]) Pop() any {
	last := len(*h) - 1
	item := (*h)[last]
	(*h)[last] = *new(T) // the array outlives the item
	*h = (*h)[:last]
	item.SetIndex(-1)
	return item
}
