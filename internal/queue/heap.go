package queue

// ranked is a heap.Interface of things that know which of two goes first and
// are told where they are in it, -1 for nowhere.
type ranked[T interface {
	Before(other T) bool
	Moved(position int)
}] []T

func (h ranked[T]) Len() int { return len(h) }

func (h ranked[T]) Less(i, j int) bool { return h[i].Before(h[j]) }

func (h ranked[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].Moved(i)
	h[j].Moved(j)
}

// Push implements heap.Interface.
func (h *ranked[T]) Push(x any) {
	item, _ := x.(T)
	item.Moved(len(*h))
	*h = append(*h, item)
}

// Pop implements heap.Interface.
func (h *ranked[T]) Pop() any {
	last := len(*h) - 1
	item := (*h)[last]
	(*h)[last] = *new(T) // the array outlives the item
	*h = (*h)[:last]
	item.Moved(-1)
	return item
}
