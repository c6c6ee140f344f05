# A name that only exists on this machine: HERE is found at 127.0.0.1.
require "resolv"
require "socket"

module Here
  def getaddress(name)
    name == ENV["HERE"] ? "127.0.0.1" : super
  end

  def open(host, port, *rest)
    super(host == ENV["HERE"] ? "127.0.0.1" : host, port, *rest)
  end
end

[Resolv, IPSocket, TCPSocket].each { |each| each.singleton_class.prepend(Here) }
