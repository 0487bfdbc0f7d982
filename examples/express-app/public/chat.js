const socket = io();
const form = document.querySelector('form');

socket.on('hello', ({ replica, version }) => {
  document.querySelector('#replica').textContent = `replica ${replica}, version ${version}`;
});
socket.on('message', ({ text, from }) => {
  const item = document.createElement('li');
  item.textContent = `${from}: ${text}`;
  document.querySelector('#messages').append(item);
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  socket.emit('message', form.elements.text.value);
  form.reset();
});
