# What every client does, with redis-rb: `ruby calls.rb PORT`.

require "redis"

redis = Redis.new(port: Integer(ARGV[0]))
account = "ruby"
passed = 0
failed = []
File.read(File.join(__dir__, "calls.txt")).gsub("@", account).each_line(chomp: true) do |line|
  command, wanted = line.split(" | ")
  next if line.start_with?("#") || wanted.nil?

  begin
    reply = redis.call(*command.split)
    pairs = wanted.split.map { |word| word.match?(/\A\d+\z/) ? word.to_i : word }.each_slice(2).to_a
    holds = wanted == "nil" ? reply.nil? : reply.each_slice(2).select { |pair| pairs.include?(pair) } == pairs
  rescue Redis::CommandError => e
    reply = e.message
    holds = wanted.start_with?("!") && reply.start_with?(wanted[1..])
  end
  holds ? passed += 1 : failed << "#{command}: #{reply}"
end
event = redis.xrevrange("credit:events:0", "+", "-", count: 1).first
event && event[1]["account"] == "rich:#{account}" ? passed += 1 : failed << "event: #{event}"
redis.close
failed.each { |what| puts "FAILED redis-rb #{what}" }
puts "redis-rb #{Redis::VERSION}: #{passed} passed, #{failed.size} failed"
exit failed.empty?
